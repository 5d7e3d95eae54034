//! A page as a browser gets it: its visitor's cookie, and the signed names of its streams.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use memchr::memmem::find;

use crate::http::{HttpResponse, header, request, response};
use crate::timestamp::number;

/// The page of one visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DemoPage {
    pub(crate) cookie: String,
    pub(crate) room: String,
    pub(crate) streams: Vec<String>,
    /// Eight digits by which the page names its visitor, if it does.
    pub(crate) user: String,
}

impl DemoPage {
    fn read(head: &str, html: &str) -> anyhow::Result<Self> {
        let cookie = header(head, "set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
        let attribute = |text: &str, begin: &str| {
            let value = text.split_once(begin)?.1.split_once('"')?.0;
            Some(value.to_owned())
        };
        let room = attribute(html, "name=\"presence-room\" content=\"").context("the page names no room")?;
        let elements = html.split("<cable-ready-stream-from ").skip(1);
        let streams: Vec<_> = elements.filter_map(|element| attribute(element, "identifier=\"")).collect();
        if streams.is_empty() {
            bail!("the page has no streams");
        }
        let you = html.split_once("id=\"you\"").and_then(|(_, you)| you.split_once("User #"));
        let user = you.and_then(|(_, user)| user.get(..8)).unwrap_or_default().to_owned();
        Ok(Self { cookie: cookie.to_owned(), room, streams, user })
    }
}

/// Fetches pages, each for a new visitor, over one connection.
pub(crate) struct PageFetcher {
    at: SocketAddrV4,
    host: String,
    connection: Option<TcpStream>,
    bytes: Vec<u8>,
    part: Vec<u8>,
}

impl PageFetcher {
    pub(crate) fn new(at: SocketAddrV4, host: &str) -> Self {
        Self { at, host: host.to_owned(), connection: None, bytes: Vec::new(), part: vec![0; 64 * 1_024] }
    }

    /// Fetches the page of a new visitor.
    pub(crate) fn fetch(&mut self) -> anyhow::Result<DemoPage> {
        self.get("/", |response| DemoPage::read(response.head, &String::from_utf8_lossy(response.body)))
    }

    /// Asks the API for the number of users in the demo's room.
    pub(crate) fn users(&mut self) -> anyhow::Result<u64> {
        self.get("/api/v1/rooms/demo", |response| users(response.body).context("the response has no number of users"))
    }

    /// Tries twice, as the server may have closed the connection since the last request.
    fn get<T>(&mut self, path: &str, read: fn(&HttpResponse<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.try_get(path, read).or_else(|_| {
            self.connection = None;
            self.try_get(path, read)
        })
    }

    fn try_get<T>(&mut self, path: &str, read: fn(&HttpResponse<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let at = self.at;
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connection = TcpStream::connect(at).with_context(|| format!("{at} can't be reached"))?;
                connection.set_nodelay(true)?;
                connection.set_read_timeout(Some(Duration::from_secs(10)))?;
                none.insert(connection)
            }
        };
        connection.write_all(request("GET", &self.host, path, "", "").as_bytes())?;
        self.bytes.clear();
        loop {
            let got = connection.read(&mut self.part)?;
            if got == 0 {
                bail!("the server closed the connection instead of answering");
            }
            self.bytes.extend_from_slice(&self.part[..got]);
            if let Some(response) = response(&self.bytes) {
                if response.status != 200 {
                    bail!("{path} was answered {}: {}", response.status, String::from_utf8_lossy(response.body));
                }
                return read(&response);
            }
        }
    }
}

/// Reads the users of the whole room, which stand before those of regions.
fn users(body: &[u8]) -> Option<u64> {
    let at = find(body, br#""users":"#)? + br#""users":"#.len();
    number(&body[at..]).map(|(users, _)| users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_visitor_room_and_streams() {
        let html = "<meta name=\"presence-room\" content=\"cm9--1\"><cable-ready-stream-from identifier=\"cm9--1\">\
            </cable-ready-stream-from><cable-ready-stream-from identifier=\"dXNl--2\"></cable-ready-stream-from>\
            <span id=\"you\" class=\"user\">User #1A2B3C4D</span>";
        let page = DemoPage::read("HTTP/1.1 200 OK\r\nset-cookie: presence=abc; Path=/\r\n\r\n", html).unwrap();
        assert_eq!((&*page.cookie, &*page.room, &*page.user), ("presence=abc", "cm9--1", "1A2B3C4D"));
        assert_eq!(page.streams, ["cm9--1", "dXNl--2"]);
        assert!(DemoPage::read("", "<p>Sorry</p>").is_err());
    }

    #[test]
    fn the_api_counts_the_room_before_its_regions() {
        assert_eq!(users(br#"{"room":"demo","users":12,"regions":[{"users":7}]}"#), Some(12));
    }
}
