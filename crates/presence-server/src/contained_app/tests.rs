//! What may not be sent of an app's reports.

use presence_core::{Change, Fragment, Refusal, Region};

use super::*;

/// Reports more than it may, of which one has a wrong name; in the room `panics` it panics.
struct Talkative;

impl App for Talkative {
    fn page(&self, _: &RoomView, _: &Visit<'_>) -> String {
        String::new()
    }

    fn reflex(&self, _: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        Err(Refusal::Unknown)
    }

    fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> {
        Vec::new()
    }

    fn reports(&self, view: &RoomView) -> Vec<Report> {
        assert_ne!(view.room.as_str(), "panics", "this app breaks here");
        let wrong = Report::new("not a name", &0);
        [wrong].into_iter().chain((1..=Report::OF_ROOM_MAX).map(|number| Report::new("sold", &number))).collect()
    }
}

#[tokio::test]
async fn of_an_apps_reports_the_first_that_may_be_sent_are_taken() {
    let app = ContainedApp::new(Arc::new(Talkative));
    let view = |room: &str| RoomView::empty(Room::new(room).unwrap(), Region::new("ams").unwrap());
    let reports = app.reports(&view("lot")).expect("it does not fail");
    assert_eq!(reports.len(), Report::OF_ROOM_MAX - 1);
    assert_eq!([reports.first(), reports.last()], [Some(&Report::new("sold", &1)), Some(&Report::new("sold", &63))]);
    assert_eq!(app.reports(&view("panics")), None);
    let panicked: Vec<_> = app.panics().filter(|(_, count)| *count > 0).collect();
    assert_eq!(panicked, [("reports", 1)]);
}

#[tokio::test]
async fn panics_outside_of_the_app_are_counted_apart() {
    let app = ContainedApp::new(Arc::new(Talkative));
    let before = panics::outside();
    assert!(tokio::spawn(async { panic!("a test's own") }).await.is_err());
    assert!(panics::outside() > before);
    assert_eq!(app.panics().map(|(_, count)| count).sum::<u64>(), 0);
}
