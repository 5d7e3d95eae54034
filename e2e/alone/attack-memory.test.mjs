// One address that uses every limit of a socket at once: its sockets cost what docs/security.md says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answers, frame, open, textFrame } from "../lib/flood.mjs";
import { Node, apiKey } from "../lib/node.mjs";
import { publish } from "../lib/stock.mjs";
import { until } from "../lib/until.mjs";

const SOCKETS = 100;
const SUBSCRIPTIONS = 300;
const SOCKET_KIB = 512;
/** At least this much of a queue of 256 KB is seen: not all sockets are full at the same moment. */
const QUEUED_KIB = 150;
/** What waits before the pings, for which the kernel's buffers must be full. */
const BEGUN_KIB = 50;
/** Each is answered by two bytes, which would take a hundred in memory if every answer waited. */
const PINGS = 20_000;
/** An own copy for each socket: a larger message is shared. */
const MESSAGE_BYTES = 4_000;

test(`${SOCKETS} sockets at every limit cost at most ${SOCKET_KIB} KiB each`, { timeout: 120_000 }, async (t) => {
  const rates = ["--messages-per-second", "100000", "--message-burst", "100000", "--bytes-per-second", "1024mb"];
  const node = await Node.start(t, { args: ["--public-streams", "chat/*", ...rates, "--write-within", "60s"] });
  const before = node.memory();
  const sockets = [];
  while (sockets.length < SOCKETS) sockets.push(await open(t, node, "actioncable-v1-ext-json"));
  for (const [place, socket] of sockets.entries()) {
    // Every key is its socket's own, and as long as all may be together; the repeated ones and the last find no room.
    for (let count = 0; count < SUBSCRIPTIONS + 20; count += 1) {
      const parameters = { channel: "$pubsub", stream_name: `chat/${count === 0 ? "all" : `${place}/${count}`}`, p: `${place} ${"x".repeat(count === 0 ? 1 : 150)}` };
      const command = JSON.stringify({ command: "subscribe", identifier: JSON.stringify(parameters) });
      socket.write(textFrame(command));
      socket.write(textFrame(command.replace(`"${place} `, `"${place}  `)));
    }
  }
  for (const socket of sockets) {
    await until("all are answered", () => answers(socket, "confirm_subscription") + answers(socket, "reject_subscription") === 2 * (SUBSCRIPTIONS + 20), { within: 60_000 });
  }
  const confirmed = answers(sockets[0], "confirm_subscription");
  assert.ok(confirmed > SUBSCRIPTIONS / 3 && confirmed <= SUBSCRIPTIONS, `${confirmed} were confirmed`);
  const subscribed = node.memory();
  // What was freed at the sockets' start may be given back only now: queues count from the least.
  let [least, most] = [subscribed, subscribed];
  const waits = () => (most - least) / SOCKETS;
  const message = "x".repeat(MESSAGE_BYTES);
  const publishWhile = async (further) => {
    for (let count = 0; count < 3_000 && await further(); count += 1) {
      await publish(node, "chat/all", message);
      const memory = node.memory();
      [least, most] = [Math.min(least, memory), Math.max(most, memory)];
    }
  };
  const overflowed = async () => {
    const { body } = await node.get("/metrics", { headers: { authorization: `Bearer ${apiKey}` } });
    return Number(body.match(/^presence_sockets_closed_total\{[^}]*reason="overflowed"[^}]*\} (\d+)/m)?.[1] ?? 0);
  };
  for (const socket of sockets) socket.pause();
  await publishWhile(() => waits() < BEGUN_KIB);
  for (const socket of sockets) {
    socket.write(Buffer.alloc(PINGS * 6, frame(0x89, "")));
    socket.write(Buffer.concat([frame(0x01, "x".repeat(8_000)), frame(0x00, "x".repeat(4_000)), frame(0x00, "x".repeat(4_300), 4_384)]));
  }
  await until("the pings are read", () => sockets.every((socket) => socket.writableLength === 0), { within: 30_000 });
  // Until most were full: the kernel's buffers, which are full first, differ.
  await publishWhile(async () => (await overflowed()) < SOCKETS / 2);
  assert.ok((await overflowed()) >= SOCKETS / 2, "one more message found no room in their queues");
  const each = (most - before) / SOCKETS;
  t.diagnostic(`${each.toFixed(0)} KiB each, ${((subscribed - before) / SOCKETS).toFixed(0)} of them for ${confirmed} subscriptions`);
  assert.ok(waits() >= QUEUED_KIB, `${waits()} KiB waited for each`);
  assert.ok(each <= SOCKET_KIB, `${each} KiB each`);
});
