//! A page as a browser gets it: whose it is, and the signed names of what it listens to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::http::{answer, header, request};

/// One visitor's page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) cookie: String,
    pub(crate) room: String,
    pub(crate) streams: Vec<String>,
    /// Eight digits by which the page names its visitor to others, where it does.
    pub(crate) user: String,
}

impl Page {
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
            bail!("the page listens to nothing");
        }
        let you = html.split_once("id=\"you\"").and_then(|(_, you)| you.split_once("User #"));
        let user = you.and_then(|(_, user)| user.get(..8)).unwrap_or_default().to_owned();
        Ok(Self { cookie: cookie.to_owned(), room, streams, user })
    }
}

/// Fetches pages, each for a new visitor, over one connection.
pub(crate) struct Pages {
    at: SocketAddrV4,
    host: String,
    connection: Option<TcpStream>,
    bytes: Vec<u8>,
}

impl Pages {
    pub(crate) fn new(at: SocketAddrV4, host: &str) -> Self {
        Self { at, host: host.to_owned(), connection: None, bytes: Vec::new() }
    }

    /// A server may have closed the connection since; then there is a second try.
    pub(crate) fn fetch(&mut self) -> anyhow::Result<Page> {
        self.try_fetch().or_else(|_| {
            self.connection = None;
            self.try_fetch()
        })
    }

    fn try_fetch(&mut self) -> anyhow::Result<Page> {
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
        connection.write_all(request("GET", &self.host, "/", "", "").as_bytes())?;
        self.bytes.clear();
        let mut part = [0; 64 * 1_024];
        loop {
            let read = connection.read(&mut part)?;
            if read == 0 {
                bail!("the server closed the connection instead of answering");
            }
            self.bytes.extend_from_slice(&part[..read]);
            if let Some(answer) = answer(&self.bytes) {
                let html = String::from_utf8_lossy(answer.body);
                if answer.status != 200 {
                    bail!("the page answered {}: {html}", answer.status);
                }
                return Page::read(answer.head, &html);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_its_browser_needs() {
        let html = "<meta name=\"presence-room\" content=\"cm9--1\"><cable-ready-stream-from identifier=\"cm9--1\">\
            </cable-ready-stream-from><cable-ready-stream-from identifier=\"dXNl--2\"></cable-ready-stream-from>\
            <span id=\"you\" class=\"user\">User #1A2B3C4D</span>";
        let page = Page::read("HTTP/1.1 200 OK\r\nset-cookie: presence=abc; Path=/\r\n\r\n", html).unwrap();
        assert_eq!((&*page.cookie, &*page.room, &*page.user), ("presence=abc", "cm9--1", "1A2B3C4D"));
        assert_eq!(page.streams, ["cm9--1", "dXNl--2"]);
        assert!(Page::read("", "<p>Sorry</p>").is_err());
    }
}
