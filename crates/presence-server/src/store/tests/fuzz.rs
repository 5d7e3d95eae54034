//! A file of facts with bytes changed, or cut short.

use presence_fuzz::Property;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A file with some records.
async fn kept() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path(), quiet(), None).unwrap();
    for number in 0..50_u8 {
        store.keep(vec![(vec![number; 16], Some(vec![number; 200]))]);
    }
    store.remember_name(&NodeName::new("ams-1").unwrap(), 7);
    store.close().await.unwrap();
    fs::read(folder.path().join(FILE)).unwrap()
}

#[tokio::test]
async fn a_changed_file_is_read_or_put_aside_and_the_node_starts() {
    let file = kept().await;
    // Most of a file is unused; its beginning says where everything is.
    let place = prop_oneof![any::<Index>().prop_map(|at| (at, 4_096)), any::<Index>().prop_map(|at| (at, usize::MAX))];
    let changes = (vec((place, any::<u8>()), 0..8), option::weighted(0.2, any::<Index>()));
    Property::FactsFile.holds(&changes, |(changes, cut)| {
        let mut bytes = file.clone();
        for ((at, most), byte) in changes {
            let at = at.index(bytes.len().min(most));
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, bytes).unwrap();
        match opening::open(&path) {
            Ok(opened) => prop_assert!(opened.kept.records.len() <= 50),
            // A number of the format that another version has.
            Err(error) => prop_assert!(error.to_string().contains("another version"), "{error:#}"),
        }
        Ok(())
    });
}
