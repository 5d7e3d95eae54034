// Limits of real connections: origins, numbers, rates, and time without an answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { request } from "../lib/http.mjs";
import { Node } from "../lib/node.mjs";
import { watcher } from "../lib/rooms.mjs";
import { cableSocket } from "../lib/sockets.mjs";
import { until, untilEqual } from "../lib/until.mjs";

/** The answer to an upgrade with these headers. */
function upgrade(node, headers) {
  return request(node.port, "/cable", {
    host: `localhost:${node.port}`,
    headers: {
      connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      "sec-websocket-protocol": "actioncable-v1-json, actioncable-unsupported", ...headers,
    },
  });
}

test("an upgrade with a foreign origin is forbidden with a sentence", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  for (const headers of [{ origin: "https://elsewhere.example" }, { origin: `http://localhost:${node.port + 1}` }, { origin: "null" }]) {
    const answer = await upgrade(node, headers);
    assert.equal(answer.status, 403, JSON.stringify(headers));
    assert.match(answer.body, /\w+ \w+ \w+/);
  }
  const host = await node.get("/", { host: "elsewhere.example" });
  assert.ok(host.status >= 400 && host.status < 500, `a foreign host is answered ${host.status}`);
});

test("the 1,001st socket of an address is refused with 429", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const sockets = [];
  t.after(() => sockets.forEach((socket) => socket.terminate()));
  const open = () => new Promise((resolve, reject) => {
    const socket = cableSocket(node);
    sockets.push(socket);
    socket.on("open", resolve);
    socket.on("error", reject);
  });
  for (let count = 0; count < 1_000; count += 100) await Promise.all(Array.from({ length: 100 }, open));
  const answer = await upgrade(node, { origin: `http://localhost:${node.port}` });
  assert.equal(answer.status, 429);
  assert.match(answer.body, /\w+ \w+ \w+/);
  assert.equal((await node.get("/")).status, 200, "pages are still served");
  const gone = new Promise((resolve) => sockets[0].once("close", resolve));
  sockets[0].close(1001);
  await gone;
  await until("a place is free again", () => open().then(() => true));
});

test("the 41st click of a burst is halted, not dropped", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const client = await BareClient.join(t, node);
  const answers = await Promise.all(Array.from({ length: 60 }, () => client.reflex("Lightbulb#toggle", { "aria-pressed": "true" })));
  const halted = answers.filter(({ name }) => name === "stimulus-reflex:morph-halted").length;
  const done = answers.filter(({ name }) => name === "stimulus-reflex:morph-nothing").length;
  assert.equal(halted + done, 60);
  assert.ok(halted >= 10 && halted <= 23, `${halted} of 60 were halted`);
});

test("a frame over 16 KiB closes its own socket with 1009, and no other", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const [loud, calm] = await Promise.all([BareClient.join(t, node), BareClient.join(t, node, { draws: true })]);
  loud.socket.send("x".repeat(16 * 1024 + 1));
  await until("closed", () => loud.closed);
  assert.equal(loud.closed.code, 1009);
  assert.equal((await calm.toggle()).name, "stimulus-reflex:morph-nothing");
  await until("the other goes on", () => calm.bulb);
});

test("a client that answers no ping for 25 s is closed and leaves", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const one = await watcher(t, node);
  const awake = Date.now();
  const sleeper = await BareClient.join(t, node, { draws: true });
  sleeper.socket._autoPong = false;
  const asleep = Date.now();
  await untilEqual("two", () => node.counts(), { users: 2, tabs: 2, unsure: 0 });
  await until("closed", () => sleeper.closed, { within: 40_000 });
  assert.ok(sleeper.closed.at - awake >= 25_000 && sleeper.closed.at - asleep <= 36_000, `${sleeper.closed.at - asleep} ms`);
  await untilEqual("and gone two seconds later", () => node.counts(), { users: 1, tabs: 1, unsure: 0 }, { within: 5_000 });
  await until("others are told", () => one.number("#headcount") === 1);
});
