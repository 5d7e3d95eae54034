//! The two connections to NATS: one for messages, one for requests and their answers, which are large and may wait.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::connection::State;
use async_nats::{Client, ClientError, ConnectOptions, Event, ServerAddr, ServerError, Subscriber};
use futures_util::FutureExt as _;
use futures_util::stream::SelectAll;
use tokio::sync::mpsc;

use super::NatsConfig;
use super::health::NatsHealth;
use super::seal::{Lane, SEAL_BYTES};
use crate::mesh::MESSAGE_BYTES_MAX;

/// A server that does not answer is left after two of these and a bit: well before core's lease ends.
const PING_EVERY: Duration = Duration::from_millis(500);
/// How long a server may take to accept: a frozen one must not use up the lease.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
const RECONNECT_AFTER_MAX: Duration = Duration::from_millis(250);
/// What may wait for a connection that is open; beyond that it is dropped.
const WAITING_MAX: usize = 512;
/// Messages that may wait for this node on one subscription.
const UNREAD_MAX: usize = 4_096;
/// Changes that wait to be acted on.
const CHANGES_MAX: usize = 256;

/// The connections.
pub(super) struct NatsClients {
    messages: Client,
    requests: Client,
}

/// What happened to one of the connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ConnectionChange {
    Opened,
    Lost,
    /// The server says that it is about to end.
    EndsSoon,
}

impl ConnectionChange {
    /// What is no change is noted.
    fn of(event: &Event, health: &NatsHealth) -> Option<Self> {
        match event {
            Event::Connected => return Some(Self::Opened),
            Event::Disconnected => return Some(Self::Lost),
            Event::LameDuckMode => return Some(Self::EndsSoon),
            Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => health.slow(),
            Event::ServerError(error) => health.refused(&error.to_string()),
            Event::ClientError(ClientError::Other(error)) => health.unconnected(error),
            Event::ClientError(_) | Event::Draining | Event::Closed => {}
        }
        None
    }
}

impl NatsClients {
    /// Begins to connect, and connects again whenever a connection is lost. Fails if an address or the file of credentials
    /// can't be used.
    pub(super) async fn connect(
        config: &NatsConfig,
    ) -> anyhow::Result<(Self, mpsc::Receiver<(Lane, ConnectionChange)>)> {
        let parse = |server: &String| server.parse::<ServerAddr>().with_context(|| format!("--mesh {server}"));
        let servers = config.servers.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
        let (changes_tx, changes) = mpsc::channel(CHANGES_MAX);
        let connect = async |lane, purpose: &str| {
            let (changes, health) = (changes_tx.clone(), Arc::clone(&config.health));
            let options = ConnectOptions::new()
                .name(format!("global-presence {} {purpose}", config.name))
                .no_echo()
                .ping_interval(PING_EVERY)
                .connection_timeout(CONNECT_WITHIN)
                .retry_on_initial_connect()
                .max_reconnects(None::<usize>)
                .reconnect_delay_callback(reconnect_after)
                .client_capacity(WAITING_MAX)
                .subscription_capacity(UNREAD_MAX)
                .event_callback(move |event| {
                    if let Some(change) = ConnectionChange::of(&event, &health) {
                        // What does not fit is one more of many.
                        let _ = changes.try_send((lane, change));
                    }
                    async {}
                });
            let options = match &config.credentials {
                Some(file) => with_credentials(options, file)?,
                None => options,
            };
            options.connect(&servers[..]).await.context("--mesh can't be used")
        };
        let messages = connect(Lane::Messages, "messages").await?;
        let requests = connect(Lane::Requests, "requests").await?;
        Ok((Self { messages, requests }, changes))
    }

    fn of(&self, lane: Lane) -> &Client {
        match lane {
            Lane::Messages => &self.messages,
            Lane::Requests => &self.requests,
        }
    }

    /// Everything that is published on these subjects.
    pub(super) async fn listen(&self, lane: Lane, subjects: &[String]) -> anyhow::Result<SelectAll<Subscriber>> {
        let mut all = SelectAll::new();
        for subject in subjects {
            all.push(self.of(lane).subscribe(subject.clone()).await.context("NATS can't be listened to")?);
        }
        Ok(all)
    }

    /// Publishes, unless the connection is lost or too much waits for it: what is sent late would be taken for news.
    pub(super) fn publish(&self, lane: Lane, subject: String, answer: Option<String>, bytes: Vec<u8>) -> bool {
        let client = self.of(lane);
        if client.connection_state() != State::Connected {
            return false;
        }
        let sent = match answer {
            Some(answer) => client.publish_with_reply(subject, answer, bytes.into()).now_or_never(),
            None => client.publish(subject, bytes.into()).now_or_never(),
        };
        sent.is_some_and(|sent| sent.is_ok())
    }

    /// Leaves the server of that connection for another one.
    pub(super) async fn move_elsewhere(&self, lane: Lane) {
        drop(self.of(lane).force_reconnect().await);
    }

    /// Whether both connections are open.
    pub(super) fn are_open(&self) -> bool {
        self.missing().is_none()
    }

    fn missing(&self) -> Option<&'static str> {
        let open = [Lane::Messages, Lane::Requests].map(|lane| self.of(lane).connection_state() == State::Connected);
        match open {
            [true, true] => None,
            [false, false] => Some("No connection to NATS"),
            _ => Some("One of two connections to NATS is missing"),
        }
    }

    /// That a server takes too small messages, in a sentence that says what to set.
    pub(super) fn payload_fault(&self) -> Option<String> {
        let bytes = self.messages.max_payload().min(self.requests.max_payload());
        (bytes < MESSAGE_BYTES_MAX).then(|| {
            format!(
                "A NATS server takes messages of at most {bytes} bytes: set max_payload: 1MB, its default, on every server."
            )
        })
    }

    /// The longest message, before it is sealed.
    pub(super) fn bytes_max() -> usize {
        MESSAGE_BYTES_MAX - SEAL_BYTES - 1
    }

    /// Notes what the connections are now.
    pub(super) fn note(&self, health: &NatsHealth) {
        let missing = self.missing();
        health.set_missing(missing);
        if missing.is_none() {
            health.set_payload(self.payload_fault());
        }
    }

    /// Waits until what was published has left.
    pub(super) async fn flush(&self) {
        drop(self.messages.flush().await);
    }
}

fn reconnect_after(attempts: usize) -> Duration {
    let steps = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    Duration::from_millis(50).saturating_mul(steps).min(RECONNECT_AFTER_MAX)
}

/// A file of NATS' own form (a JWT with its seed), the seed of an nkey, or a line `user:password`.
fn with_credentials(options: ConnectOptions, file: &Path) -> anyhow::Result<ConnectOptions> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("--mesh-creds {shown} is not readable"))?;
    let line = text.trim();
    if text.contains("BEGIN NATS USER JWT") {
        return options.credentials(&text).with_context(|| format!("--mesh-creds {shown} is no file of credentials"));
    }
    if line.starts_with("SU") && !line.contains(char::is_whitespace) && !line.contains(':') {
        return Ok(options.nkey(line.to_owned()));
    }
    match line.split_once(':') {
        Some((user, password)) if !line.contains('\n') => {
            Ok(options.user_and_password(user.to_owned(), password.to_owned()))
        }
        _ => bail!("--mesh-creds {shown} holds neither NATS credentials nor the seed of an nkey nor user:password"),
    }
}

/// Fails if the file can't be used.
pub(crate) fn check_credentials(file: &Path) -> anyhow::Result<()> {
    with_credentials(ConnectOptions::new(), file).map(drop)
}

/// Waits until both connections are open.
pub(super) async fn opened(clients: &Arc<NatsClients>, within: Duration) -> bool {
    let wait = async {
        // The client's state can be read, and not awaited: its event comes before the state has changed.
        while !clients.are_open() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(within, wait).await.is_ok()
}
