// One address that uses every limit of a socket at once: its sockets cost what docs/security.md says.
import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { Node } from "../lib/node.mjs";
import { publish } from "../lib/stock.mjs";
import { until } from "../lib/until.mjs";

const SOCKETS = 100;
const SUBSCRIPTIONS = 300;
const SOCKET_KIB = 512;
/** At least this much of a queue of 256 KB is seen: not all sockets are full at the same moment. */
const QUEUED_KIB = 150;
/** An own copy for each socket: a larger message is shared. */
const MESSAGE_BYTES = 4_000;

/** A masked frame whose mask changes nothing; `claimed` is the length that its header says. */
function frame(first, text, claimed = text.length) {
  const header = claimed < 126 ? [first, 0x80 | claimed] : [first, 0xfe, claimed >> 8, claimed & 0xff];
  return Buffer.concat([Buffer.from([...header, 0, 0, 0, 0]), Buffer.from(text)]);
}

/** A socket whose server's answers are counted until it is told not to read. */
async function open(t, node) {
  const socket = net.connect(node.port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.text = "";
  socket.on("error", () => {}).on("close", () => (socket.ended = true)).on("data", (data) => (socket.text += data.toString("latin1")));
  socket.write([
    "GET /cable HTTP/1.1", `Host: ${node.host}:${node.port}`, `Origin: ${node.url}`, "Connection: Upgrade", "Upgrade: websocket",
    "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: actioncable-v1-ext-json", "", "",
  ].join("\r\n"));
  await until("it is welcomed", () => socket.text.includes("welcome"));
  return socket;
}

test(`${SOCKETS} sockets at every limit cost at most ${SOCKET_KIB} KiB each`, { timeout: 120_000 }, async (t) => {
  const rates = ["--messages-per-second", "100000", "--message-burst", "100000", "--bytes-per-second", "1024mb"];
  const node = await Node.start(t, { args: ["--public-streams", "chat/*", ...rates, "--write-within", "60s"] });
  const before = node.memory();
  const sockets = [];
  while (sockets.length < SOCKETS) sockets.push(await open(t, node));
  for (const [place, socket] of sockets.entries()) {
    // Every key is its socket's own, and as long as all may be together; the repeated ones and the last find no room.
    for (let count = 0; count < SUBSCRIPTIONS + 20; count += 1) {
      const parameters = { channel: "$pubsub", stream_name: `chat/${count === 0 ? "all" : `${place}/${count}`}`, p: `${place} ${"x".repeat(count === 0 ? 1 : 150)}` };
      const command = JSON.stringify({ command: "subscribe", identifier: JSON.stringify(parameters) });
      socket.write(frame(0x81, command));
      socket.write(frame(0x81, command.replace(`"${place} `, `"${place}  `)));
    }
  }
  const answers = (socket, type) => socket.text.split(`"${type}"`).length - 1;
  for (const socket of sockets) {
    await until("all are answered", () => answers(socket, "confirm_subscription") + answers(socket, "reject_subscription") === 2 * (SUBSCRIPTIONS + 20), { within: 60_000 });
  }
  const confirmed = answers(sockets[0], "confirm_subscription");
  assert.ok(confirmed > SUBSCRIPTIONS / 3 && confirmed <= SUBSCRIPTIONS, `${confirmed} were confirmed`);
  const subscribed = node.memory();
  for (const socket of sockets) {
    socket.pause();
    socket.write(Buffer.concat([frame(0x01, "x".repeat(8_000)), frame(0x00, "x".repeat(4_000)), frame(0x00, "x".repeat(4_300), 4_384)]));
  }
  const waits = () => (most - subscribed) / SOCKETS;
  let most = 0;
  const message = "x".repeat(MESSAGE_BYTES);
  // Until the first are closed, since one more message found no room.
  for (let count = 0, memory = 0; count < 3_000 && (memory > most - 5_000 || waits() < QUEUED_KIB); count += 1) {
    await publish(node, "chat/all", message);
    memory = node.memory();
    most = Math.max(most, memory);
  }
  const each = (most - before) / SOCKETS;
  t.diagnostic(`${each.toFixed(0)} KiB each, ${((subscribed - before) / SOCKETS).toFixed(0)} of them for ${confirmed} subscriptions`);
  assert.ok(waits() >= QUEUED_KIB, "their queues were full");
  assert.ok(each <= SOCKET_KIB, `${each} KiB each`);
});
