//! A node on a free port, a tiny app, and a browser's way of opening sockets.

pub(crate) mod embed;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use presence_core::{App, Change, Click, Fragment, PageRequest, Place, Refusal, Region, RoomView, Route, Visit, Write};
use presence_server::{Asset, Config, Running, Server, Site};
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Longer than anything takes on a busy machine. No test waits for it to pass.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// A lamp that clicks set to a value, and a page that shows all it knows, one value a line.
pub(crate) struct Lamp;

impl App for Lamp {
    /// A page for each word below `/rooms/`, besides the page at `/`.
    fn route(&self, request: &PageRequest<'_>) -> Route {
        let room = match request.path.strip_prefix("/rooms/") {
            Some(name) => request.site.below(name),
            None => (request.path == "/").then(|| request.site.clone()),
        };
        room.into()
    }

    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        assert_ne!(visit.edge, Some("zzz"), "the region at whose name this app breaks");
        let lamp = view.registers.get("lamp").map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
        format!(
            "<!doctype html>\nuser {}\ntabs {}\nusers {}\nedge {:?}\nlamp {:?}\nroom {}\nown {}\nscript {}\nchance {}\n",
            visit.user.short(),
            visit.tabs,
            view.users,
            visit.edge,
            lamp,
            visit.room_stream,
            visit.user_stream,
            visit.script,
            visit.chance
        )
    }

    fn reflex(&self, click: &Click, _view: &RoomView) -> Result<Vec<Write>, Refusal> {
        match click.target.as_str() {
            "Lamp#set" => {
                let value = click.attributes.get("data-value").cloned().unwrap_or_default().into_bytes();
                Ok(vec![Write::set_bytes("lamp", value)])
            }
            _ => Err(Refusal::Unknown),
        }
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        let fragment = |id: &str, text: String| Fragment {
            id: id.to_owned(),
            html: format!("<p id=\"{id}\">{text}</p>"),
            within: None,
        };
        match change {
            Change::Everything => [Change::Counts, Change::Set("lamp".to_owned())]
                .iter()
                .flat_map(|change| self.render(change, view))
                .collect(),
            Change::Counts => vec![fragment("users", view.users.to_string())],
            Change::Set(_) => {
                let lamp = view.registers.get("lamp").map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
                vec![fragment("lamp", lamp.unwrap_or_default())]
            }
            Change::Tabs { tabs, .. } => vec![fragment("tabs", tabs.to_string())],
            Change::You { user } => vec![fragment("you", user.short())],
            Change::Regions
            | Change::RegionCounts(_)
            | Change::Expired(_)
            | Change::Logged(_)
            | Change::Mapped { .. }
            | Change::Counted(_)
            | Change::Membered(_)
            | Change::Receipts(_)
            | Change::Minute
            | Change::Related(_)
            | Change::Shared(_)
            | Change::RoundTrip { .. } => Vec::new(),
        }
    }
}

/// A file that no page of the app refers to.
pub(crate) fn assets() -> Vec<Asset> {
    vec![Asset {
        path: "/assets/app-1.js".into(),
        content_type: "text/javascript; charset=utf-8".into(),
        body: "plain".into(),
        gzip: Some("gzipped".into()),
        brotli: Some("brotli".into()),
    }]
}

fn place(region: &Region) -> Option<Place> {
    (region.as_str() == "ams").then(|| Place { name: "Amsterdam, Netherlands".to_owned(), location: Some((52.3, 4.8)) })
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    config: Config,
}

/// Options of a command line, with a free port.
pub(crate) fn config(line: &str) -> Config {
    let words = ["node", "--listen", "127.0.0.1:0"].into_iter().chain(line.split_whitespace());
    let mut config = Line::parse_from(words).config;
    config.region = config.region.or_else(|| Region::new("ams"));
    config
}

/// A node that stops at the end of its test.
pub(crate) struct TestServer {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
}

impl TestServer {
    pub(crate) async fn start(line: &str) -> Self {
        Self::with(config(line)).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::of(config, Lamp).await
    }

    pub(crate) async fn of(config: Config, app: impl App) -> Self {
        Self::named(config, app, "demo").await
    }

    /// A node whose page is of this room.
    pub(crate) async fn named(config: Config, app: impl App, name: &'static str) -> Self {
        let site = Site { assets: assets(), place, ..Site::new(name) };
        let running = Server::new(config, app, site).start().await.expect("the node starts");
        let address = running.address();
        Self { running, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = reqwest::Client::new().get(self.url(path)).timeout(SOON);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("the node answers")
    }

    /// A socket like that of this node's page, with further or other headers. An empty value removes a header.
    pub(crate) async fn socket(&self, headers: &[(&str, &str)]) -> Result<Socket, tungstenite::Error> {
        self.socket_at("/cable", headers).await
    }

    /// A socket at another address.
    pub(crate) async fn socket_at(&self, path: &str, headers: &[(&str, &str)]) -> Result<Socket, tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request()?;
        let origin = format!("http://{}", self.address);
        let usual =
            [("origin", origin.as_str()), ("sec-websocket-protocol", "actioncable-v1-json, actioncable-unsupported")];
        for (name, value) in usual.iter().chain(headers) {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            request.headers_mut().remove(&name);
            if !value.is_empty() {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        let opened = tokio::time::timeout(SOON, tokio_tungstenite::connect_async(request)).await;
        opened.expect("the node answers").map(|(socket, response)| Socket { stream: socket, response })
    }

    /// The status and the sentence of a refused socket.
    pub(crate) async fn refused(&self, headers: &[(&str, &str)]) -> (u16, String) {
        self.refused_at("/cable", headers).await
    }

    /// A socket at another address.
    pub(crate) async fn refused_at(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        match self.socket_at(path, headers).await {
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                (response.status().as_u16(), String::from_utf8(body).unwrap())
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("the socket was opened"),
        }
    }
}

/// A socket and the answer that opened it.
pub(crate) struct Socket {
    pub(crate) stream: tokio_tungstenite::WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) response: tungstenite::handshake::client::Response,
}

/// The value of a line of the lamp's page.
pub(crate) fn said<'a>(page: &'a str, word: &str) -> &'a str {
    let line = page.lines().find(|line| line.split_once(' ').is_some_and(|(first, _)| first == word));
    line.and_then(|line| line.split_once(' ')).map_or_else(|| panic!("no {word} in {page}"), |(_, value)| value)
}

/// Polls until there is a value.
pub(crate) async fn within<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    let looked = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, looked).await.expect("it is seen soon")
}
