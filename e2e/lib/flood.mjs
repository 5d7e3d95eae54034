// A hostile visitor: sockets that send as fast as they can, connections that do nothing, requests for what does not exist.
import net from "node:net";
import { until } from "./until.mjs";

const MASK = [0, 0, 0, 0];

/** Frames that cost their sender next to nothing, about 60 KB of each kind: `[name, frames, first]`. */
export const floods = [
  ["empty pings", Buffer.alloc(60_000, Buffer.from([0x89, 0x80, ...MASK]))],
  ["empty pongs", Buffer.alloc(60_000, Buffer.from([0x8a, 0x80, ...MASK]))],
  ["empty parts of a message", Buffer.alloc(60_000, Buffer.from([0x00, 0x80, ...MASK])), Buffer.from([0x01, 0x80, ...MASK])],
  ["empty messages", Buffer.alloc(60_000, Buffer.from([0x81, 0x80, ...MASK]))],
];

/** The head of a request for a socket. */
export function upgrade(node, protocol = "actioncable-v1-json") {
  return [
    "GET /cable HTTP/1.1", `Host: ${node.host}:${node.port}`, `Origin: ${node.url}`, "Connection: Upgrade", "Upgrade: websocket",
    "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", `Sec-WebSocket-Protocol: ${protocol}`, "", "",
  ].join("\r\n");
}

/** A masked frame whose mask changes nothing; `claimed` is the length that its header says. */
export function frame(first, text, claimed = text.length) {
  const header = claimed < 126 ? [first, 0x80 | claimed] : [first, 0xfe, claimed >> 8, claimed & 0xff];
  return Buffer.concat([Buffer.from([...header, ...MASK]), Buffer.from(text)]);
}

export const textFrame = (text) => frame(0x81, text);

/** A subscription to a public stream, and whispers to it: `[subscription, whispers]`. */
export function whispers(stream) {
  const identifier = JSON.stringify({ channel: "$pubsub", stream_name: stream });
  const whisper = textFrame(JSON.stringify({ command: "whisper", identifier, data: "x".repeat(3_000) }));
  return [textFrame(JSON.stringify({ command: "subscribe", identifier })), Buffer.concat(Array(20).fill(whisper))];
}

/** A connection to a node, from another address of this machine if one is given; its errors are expected. */
export function dial(t, node, localAddress) {
  const socket = net.connect({ port: node.port, host: "127.0.0.1", localAddress });
  t.after(() => socket.destroy());
  return socket.on("error", () => {});
}

/** A welcomed socket that counts the bytes it is sent, in `received`, and keeps them as `text` unless its `keeps` is false. */
export async function open(t, node, protocol) {
  const socket = Object.assign(dial(t, node), { received: 0, text: "" });
  socket.on("data", (data) => {
    socket.received += data.length;
    if (socket.keeps !== false) socket.text += data.toString("latin1");
  });
  socket.write(upgrade(node, protocol));
  await until("it is welcomed", () => socket.text.includes("welcome"));
  return socket;
}

/** How many messages of this type a socket that was opened in this way was sent. */
export function answers(socket, type) {
  return socket.text.split(`"${type}"`).length - 1;
}

/**
 * Opens a socket, then writes `bytes` again and again, as fast as the node reads; discards what comes back. Resolves with the
 * socket once it is answered, or has ended.
 */
export function flood(t, node, bytes, { first = bytes, from } = {}) {
  const socket = dial(t, node, from);
  socket.write(upgrade(node));
  return new Promise((resolve) => {
    socket.once("close", () => resolve(socket)).once("data", () => {
      const write = () => {
        while (!socket.destroyed && socket.write(bytes));
      };
      socket.resume().on("drain", write).write(first);
      write();
      resolve(socket);
    });
  });
}

/** Sends a request and hangs up at the first byte of the answer; resolves with the beginning of the answer. A reset frees the port at once. */
export function glance(node, path, { headers = "", from, reset = false } = {}) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port: node.port, host: "127.0.0.1", localAddress: from });
    socket.on("connect", () => socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost:${node.port}\r\n${headers}\r\n`));
    socket.on("error", reject).once("close", () => resolve(""));
    socket.once("data", (data) => {
      if (reset) socket.resetAndDestroy();
      else socket.destroy();
      resolve(data.toString("latin1"));
    });
  });
}
