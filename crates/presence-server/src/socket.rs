//! One WebSocket: frames in, frames out.

use std::sync::Arc;

use bytes::Bytes;
use presence_core::{ConnectionId, Input, UserId};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::config::Limits;
use crate::hub::Hub;
use crate::identity::Names;

pub(crate) struct Visitor {
    pub(crate) connection: ConnectionId,
    pub(crate) user: Option<UserId>,
}

pub(crate) async fn serve(
    stream: TcpStream,
    _unread: Bytes,
    visitor: Visitor,
    _hub: Arc<Hub>,
    _inputs: mpsc::Sender<Input>,
    _names: Arc<Names>,
    _limits: Limits,
) {
    let _ = (visitor.connection, visitor.user);
    while stream.readable().await.is_ok() && stream.try_read(&mut [0; 1_024]).is_ok_and(|read| read > 0) {}
}
