// Single WebSockets, without a client around them.
import WebSocket from "ws";

/** A socket for Action Cable from the node's own page, with further headers. */
export function cableSocket(node, headers = {}) {
  const authority = `${node.host}:${node.port}`;
  return new WebSocket(`ws://127.0.0.1:${node.port}/cable`, ["actioncable-v1-json"], {
    perMessageDeflate: false, headers: { host: authority, origin: `http://${authority}`, ...headers },
  });
}

/** Subscribes a socket to a public stream; passes messages with their sizes to `onMessage`. Resolves when it is confirmed. */
export function listenTo(socket, stream, onMessage) {
  const identifier = JSON.stringify({ channel: "$pubsub", stream_name: stream });
  return new Promise((resolve) => {
    socket.on("message", (data) => {
      const { type, message } = JSON.parse(data);
      if (type === "welcome") socket.send(JSON.stringify({ command: "subscribe", identifier }));
      else if (type === "confirm_subscription") resolve();
      else if (message) onMessage(message, data.length);
    });
  });
}

/** An embedded page of `origin` that joins a room, from another address of this machine if one is given; `told` are all messages from the node. */
export async function embeddedPage(t, node, origin, room, token, { localAddress } = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}/presence`, "presence-v1", { origin, localAddress });
  t.after(() => socket.terminate());
  const told = [];
  socket.on("message", (text) => told.push(JSON.parse(text)));
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  for (const message of [{ type: "hello" }, { type: "join", room, token }]) socket.send(JSON.stringify(message));
  return { socket, told, last: (type) => told.findLast((message) => message.type === type) };
}
