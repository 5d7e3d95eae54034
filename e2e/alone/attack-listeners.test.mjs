// What one socket makes many others receive: subscriptions at their limit beside visitors who join, and whispers to a crowd.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { flood, open, textFrame, whispers } from "../lib/flood.mjs";
import { Node } from "../lib/node.mjs";
import { subscribers } from "../lib/subscribers.mjs";
import { until } from "../lib/until.mjs";

const HOSTILE = 200;
const JOINS = 20;
/** From the page to the last confirmed subscription, and to another page that shows the visitor, where HOSTILE sockets hear of each. */
const JOINED_MS = 1_000;
/** What one of these sockets may cost, and what an allocator keeps after the end of all. */
const [SOCKET_KIB, KEPT_KIB] = [512, 40 * 1_024];

const LISTENERS = 100;
const WHISPERERS = 8;
const SECONDS = 6;
/** `--bytes-per-second`, and the burst before it. */
const [RATE, BURST] = [16 * 1_024, 64 * 1_024];
const DRAWN_MS = 500;

const subscribe = (parameters) => textFrame(JSON.stringify({ command: "subscribe", identifier: JSON.stringify(parameters) }));

test(`${HOSTILE} sockets at their limit of subscriptions delay no visitor who joins, and leave nothing behind`, { timeout: 300_000 }, async (t) => {
  // Without the rates, which would only make the test longer; and the sockets answer no ping.
  const rates = ["--messages-per-second", "100000", "--message-burst", "100000", "--bytes-per-second", "1024mb", "--pong-within", "10min"];
  const node = await Node.start(t, { args: ["--public-streams", "chat/*", ...rates] });
  const page = await BareClient.join(t, node, { draws: true });
  const headcount = () => page.number("#headcount");
  const joins = async () => {
    const [times, shown] = [[], []];
    for (let number = 0; number < JOINS; number += 1) {
      const [begun, before] = [performance.now(), headcount()];
      await BareClient.join(t, node);
      times.push(performance.now() - begun);
      await until("another page shows the visitor", () => headcount() > before, { every: 5, within: 30_000 });
      shown.push(performance.now() - begun);
    }
    return [times, shown].map((list) => list.sort((a, b) => a - b));
  };
  await until("the page shows itself", () => headcount() === 1);
  const alone = await joins();
  const before = node.memory();
  const hostile = await subscribers(t, node, { stream: page.names.streams[0], count: HOSTILE });
  const each = (node.memory() - before) / HOSTILE;
  const confirmed = Math.min(...hostile.confirmed);
  assert.ok(confirmed > 100 && Math.min(...hostile.rejected) > 0, `${confirmed} are confirmed, and none after them`);
  const earlier = await hostile.read();
  const beside = await joins();
  const later = await hostile.read();
  const closed = await hostile.end();
  await until("their memory is free", () => node.memory() - before < KEPT_KIB, { within: 30_000, every: 250 }).catch(() => {});
  const kept = node.memory() - before;
  const show = (times) => `${times[JOINS / 2].toFixed(0)} ms, at most ${times.at(-1).toFixed(0)} ms`;
  const both = ([times, shown]) => `${show(times)}, and is shown on another page after ${show(shown)}`;
  t.diagnostic(`a visitor joins in ${both(alone)}; beside ${HOSTILE} sockets with ${confirmed} subscriptions each in ${both(beside)}; they are sent ${((later.bytes - earlier.bytes) / JOINS / 1e6).toFixed(2)} MB for each; they cost ${each.toFixed(0)} KiB each, ${(kept / 1_024).toFixed(0)} MiB in all after their end`);
  assert.equal(later.open, HOSTILE, "no socket was closed");
  assert.equal(closed.open, 0);
  assert.ok(later.bytes > earlier.bytes, "they hear of each");
  assert.ok(beside.every((times) => times.at(-1) < JOINED_MS), both(beside));
  assert.ok(each < SOCKET_KIB, `${each} KiB each`);
  assert.ok(kept < KEPT_KIB, `${kept} KiB`);
});

test(`${WHISPERERS} sockets that whisper to ${LISTENERS} as fast as they can are slowed, and delay no one`, { timeout: 120_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--public-streams", "chat/*"] });
  const [clicks, watches] = [await BareClient.join(t, node, { draws: true }), await BareClient.join(t, node, { draws: true })];
  const listeners = await Promise.all(Array.from({ length: LISTENERS }, () => open(t, node)));
  for (const socket of listeners) {
    socket.write(subscribe({ channel: "$pubsub", stream_name: "chat/all" }));
    await until("it listens", () => socket.text.includes("confirm_subscription"));
    socket.keeps = false;
  }
  const received = () => listeners.reduce((sum, socket) => sum + socket.received, 0);
  const [before, begun] = [received(), performance.now()];
  const [first, bytes] = whispers("chat/all");
  await Promise.all(Array.from({ length: WHISPERERS }, () => flood(t, node, bytes, { first })));
  let slowest = 0;
  while (performance.now() - begun < SECONDS * 1_000) {
    const wanted = !watches.bulb;
    const clicked = performance.now();
    await clicks.toggle(!wanted);
    await until("the click is drawn", () => watches.bulb === wanted, { every: 1 });
    slowest = Math.max(slowest, performance.now() - clicked);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const seconds = (performance.now() - begun) / 1_000;
  const heard = received() - before;
  // A frame's header, the identifier around each whisper, and what else a listener is sent.
  const most = LISTENERS * (WHISPERERS * (BURST + RATE * (seconds + 1)) * 1.1 + 20_000);
  t.diagnostic(`${(heard / seconds / 1e6).toFixed(1)} MB/s to ${LISTENERS} listeners, ${(most / seconds / 1e6).toFixed(1)} MB/s at most; clicks drawn within ${slowest.toFixed(0)} ms`);
  assert.ok(heard > LISTENERS * BURST, `${heard} bytes: the whispers are heard`);
  assert.ok(heard < most, `${heard} bytes of ${most}`);
  assert.ok(slowest < DRAWN_MS, `${slowest} ms`);
});
