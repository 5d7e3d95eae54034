//! A page of a test's world: what was drawn on it.

use std::collections::BTreeMap;

use presence_core::{Fragment, Room, RoomView, Stream, Viewers, Visit};

use super::{TestPage, TestVisitor, TestWorld};
use crate::identity::sha256;
use crate::sites::PageAddress;

/// A page as its visitor sees it.
pub(super) struct OpenPage {
    pub(super) region: usize,
    pub(super) room: Room,
    pub(super) visitor: TestVisitor,
    /// As it was served.
    pub(super) html: String,
    pub(super) elements: BTreeMap<String, Fragment>,
}

impl OpenPage {
    /// Whether what is drawn for these viewers is drawn on this page.
    pub(super) fn sees(&self, page: TestPage, viewers: &Viewers) -> bool {
        match viewers {
            Viewers::Stream(Stream::Room(room)) => self.room == *room,
            Viewers::Stream(Stream::User(room, user)) => self.room == *room && self.visitor.user == *user,
            Viewers::Stream(Stream::Named(_)) | Viewers::Users(_) => false,
            Viewers::Subscription { connection, .. } => connection.0 == page.0,
        }
    }

    pub(super) fn show(&mut self, fragments: &[Fragment]) {
        for fragment in fragments {
            // What is inside it is drawn with it.
            self.elements.retain(|_, known| known.within != Some(fragment.id.as_str()));
            self.elements.insert(fragment.id.clone(), fragment.clone());
        }
    }

    /// The HTML of the fragment of this id.
    pub(super) fn element(&self, id: &str) -> &str {
        let known = || self.elements.keys().cloned().collect::<Vec<_>>().join(", ");
        let found = self.elements.get(id).unwrap_or_else(|| panic!("no fragment {id} was drawn, but {}", known()));
        &found.html
    }
}

impl TestWorld {
    /// A page as the region serves it.
    pub(super) fn draw_page(&self, region: usize, room: &Room, visitor: &TestVisitor, address: &str) -> String {
        let PageAddress { path, query } = PageAddress::of(address);
        let visit = Visit {
            query: &query,
            signed: visitor.signed.as_deref(),
            user: visitor.user.public(room, sha256),
            tabs: self.network.tabs(region, room, visitor.user),
            now_ms: self.network.now_ms(),
            ..Visit::first(path)
        };
        let find = |other: &Room| self.network.known_view(region, other);
        let view = RoomView::completed(self.network.view(region, room), &self.app.related(room), find);
        self.app.page(&view, &visit)
    }
}
