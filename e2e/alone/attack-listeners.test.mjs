// What one socket makes many others receive: subscriptions at their limit beside visitors who join, and whispers to a crowd.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { dial, flood, textFrame, upgrade, whispers } from "../lib/flood.mjs";
import { Node } from "../lib/node.mjs";
import { until } from "../lib/until.mjs";

const HOSTILE = 200;
const JOINS = 20;
/** From the page to the last confirmed subscription, where HOSTILE sockets hear of each. */
const JOINED_MS = 1_000;

const LISTENERS = 100;
const WHISPERERS = 8;
const SECONDS = 6;
/** `--bytes-per-second`, and the burst before it. */
const [RATE, BURST] = [16 * 1_024, 64 * 1_024];
const DRAWN_MS = 500;

const subscribe = (parameters) => textFrame(JSON.stringify({ command: "subscribe", identifier: JSON.stringify(parameters) }));

/** A socket that counts what it is sent, and how often it is refused or accepted. */
async function open(t, node) {
  const socket = dial(t, node);
  Object.assign(socket, { received: 0, text: "" });
  socket.on("data", (data) => {
    socket.received += data.length;
    if (socket.keeps !== false) socket.text += data.toString("latin1");
  });
  socket.write(upgrade(node));
  await until("it is welcomed", () => socket.text.includes("welcome"));
  return socket;
}

test(`visitors join at once beside ${HOSTILE} sockets at their limit of subscriptions`, { timeout: 180_000 }, async (t) => {
  // Without the rates, which would only make the test longer.
  const rates = ["--messages-per-second", "100000", "--message-burst", "100000", "--bytes-per-second", "1024mb"];
  const node = await Node.start(t, { args: ["--public-streams", "chat/*", ...rates] });
  const page = await BareClient.join(t, node);
  const joins = async (count) => {
    const times = [];
    for (let number = 0; number < count; number += 1) {
      const begun = performance.now();
      await BareClient.join(t, node);
      times.push(performance.now() - begun);
    }
    return times.sort((a, b) => a - b);
  };
  const alone = await joins(JOINS);
  const sockets = await Promise.all(Array.from({ length: HOSTILE }, () => open(t, node)));
  for (const [place, socket] of sockets.entries()) {
    // All streams of the page, each under as many keys as may be, then other streams until there is no room.
    for (const identifier of page.names.streams) {
      for (let key = 0; key < 4; key += 1) socket.write(subscribe({ channel: "CableReady::Stream", identifier, key: `${place} ${key} ${"x".repeat(900)}` }));
    }
    for (let count = 0; count < 300; count += 1) socket.write(subscribe({ channel: "$pubsub", stream_name: `chat/${count}` }));
  }
  const answers = (socket, type) => socket.text.split(`"${type}"`).length - 1;
  const asked = 4 * page.names.streams.length + 300;
  for (const socket of sockets) {
    await until("all are answered", () => answers(socket, "confirm_subscription") + answers(socket, "reject_subscription") === asked, { within: 60_000 });
    socket.keeps = false;
  }
  const confirmed = answers(sockets[0], "confirm_subscription");
  assert.ok(confirmed > 100 && confirmed < asked, `${confirmed} of ${asked} are confirmed`);
  const before = sockets.reduce((sum, socket) => sum + socket.received, 0);
  const beside = await joins(JOINS);
  const sent = sockets.reduce((sum, socket) => sum + socket.received, 0) - before;
  const show = (times) => `${times[JOINS / 2].toFixed(0)} ms, at most ${times.at(-1).toFixed(0)} ms`;
  t.diagnostic(`a visitor joins in ${show(alone)}; beside ${HOSTILE} sockets with ${confirmed} subscriptions each in ${show(beside)}, and they are sent ${(sent / JOINS / 1e6).toFixed(2)} MB for each`);
  assert.ok(sockets.every((socket) => !socket.destroyed), "no socket was closed");
  assert.ok(sent > 0, "they hear of each");
  assert.ok(beside.at(-1) < JOINED_MS, show(beside));
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
