//! The board in two regions, in memory.

use std::time::Duration;

use presence_server::Click;
use presence_server::testing::{TestPage, TestWorld};

use super::{Board, cards};

fn on(target: &str, card: &str) -> Click {
    Click::on(target).attribute("data-card", card)
}

/// A card with another text.
fn saved(card: &str, text: &str) -> Click {
    Click::on("Card#save").field("card", card).field("text", text)
}

/// The cards of a page, each as "column text".
fn shown(world: &TestWorld, page: TestPage) -> Vec<String> {
    cards(&world.view(page)).into_iter().map(|(_, column, text)| format!("{column} {text}")).collect()
}

#[test]
fn a_card_that_one_moves_while_another_edits_it_has_both_and_a_deleted_one_is_gone() {
    let mut world = TestWorld::new(Board, &["ams", "iad"]);
    let (ann, bob) = (world.visitor(), world.visitor());
    let pages = [(&ann, "ams"), (&bob, "iad")].map(|(who, region)| world.open(who, region, "/"));
    for text in ["Buy tea", "Boil water"] {
        world.click(pages[0], Click::on("Card#save").field("text", text)).expect("it is short");
    }
    assert_eq!(shown(&world, pages[1]), ["0 Buy tea", "0 Boil water"]);
    assert!(world.text(pages[1], "board").starts_with("To do Buy tea"));
    let ids: Vec<String> = cards(&world.view(pages[0])).into_iter().map(|(id, ..)| id.to_owned()).collect();

    world.cut("ams", "iad");
    world.click(pages[0], on("Card#move", &ids[0]).attribute("data-column", "2")).expect("there is such a column");
    world.click(pages[1], on("Card#edit", &ids[0])).expect("it is there");
    assert!(world.element(pages[1], "form").contains(r#"value="Buy tea""#));
    world.click(pages[1], saved(&ids[0], "Buy green tea")).expect("it is short");
    assert!(world.text(pages[1], "form").ends_with("Add a card"));
    world.click(pages[1], on("Card#delete", &ids[1])).expect("it is there");
    world.join("ams", "iad");
    world.pass(Duration::from_secs(20));
    for page in pages {
        assert_eq!(shown(&world, page), ["2 Buy green tea"]);
        let gone = world.click(page, on("Card#edit", &ids[1])).expect_err("it is gone");
        assert_eq!(gone.to_string(), "Someone has deleted this card.");
    }
}

#[test]
fn a_click_that_makes_no_sense_writes_nothing() {
    let mut world = TestWorld::new(Board, &["ams"]);
    let ann = world.visitor();
    let page = world.open(&ann, "ams", "/");
    let refused = world.click(page, Click::on("Card#save").field("text", "  ")).expect_err("it has no text");
    assert_eq!(refused.to_string(), "A card has a text of at most 200 bytes.");
    world.click(page, Click::on("Card#save").field("text", "Buy tea")).expect("it is short");
    let id = cards(&world.view(page))[0].0.to_owned();
    let long = "x".repeat(201);
    let senseless = [
        on("Card#move", &id).attribute("data-column", "3"),
        on("Card#move", &id).attribute("data-column", "left"),
        saved(&id, &long),
        on("Card#burn", &id),
        Click::on("Card#delete"),
    ];
    for click in senseless {
        world.click(page, click).expect_err("it makes no sense");
    }
    assert_eq!(shown(&world, page), ["0 Buy tea"]);
}
