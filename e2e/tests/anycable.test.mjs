// `@anycable/core`, unmodified, against two regions: streams, history, resuming after a cut, presence, whispers, tokens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mesh } from "../lib/node.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { cable, heard, knownSince, publish, run, signed } from "../lib/stock.mjs";
import { always, until, untilEqual } from "../lib/until.mjs";

const regions = ["ams", "iad"];
const start = (t, args = []) => mesh(t, regions, { args: ["--public-streams", "bench", "--public-streams", "chat/*", ...args] });

/** Subscribes to a channel and records its events. */
async function listen(channel) {
  const all = heard(channel);
  await channel.ensureSubscribed();
  return Object.assign(channel, { all });
}

test("messages reach public and signed streams in both regions, in order", { timeout: 180_000 }, async (t) => {
  const nodes = await start(t);
  const name = await signed("orders/7");
  const channels = [];
  for (const node of nodes) {
    const made = cable(t, node);
    channels.push([await listen(made.streamFrom("chat/1")), await listen(made.streamFrom("bench")), await listen(made.streamFromSigned(name))]);
  }
  for (const made of [cable(t, nodes[0]), cable(t, nodes[1], { protocol: "actioncable-v1-json" })]) {
    for (const channel of [made.streamFrom("orders/7"), made.streamFrom("chat"), made.streamFromSigned(`${name.slice(0, -1)}x`)]) {
      await assert.rejects(channel.ensureSubscribed(), /Rejected|unsubscribed/i);
    }
  }
  for (let n = 0; n < 20; n += 1) await publish(nodes[n % 2], "chat/1", { n });
  await publish(nodes[0], "orders/7", { paid: true });
  await publish(nodes[1], "bench", "a text");
  for (const [chat, bench, orders] of channels) {
    await until("all have come", () => chat.all.messages.length === 20 && bench.all.messages.length === 1 && orders.all.messages.length === 1);
    assert.deepEqual(new Set(chat.all.messages.map(({ n }) => n)), new Set(Array.from({ length: 20 }, (_, n) => n)));
    const offsets = chat.all.places.map(({ offset }) => offset);
    assert.deepEqual(offsets, [...offsets].sort((a, b) => a - b), "offsets rise");
    assert.equal(new Set(chat.all.places.map(({ epoch }) => epoch)).size, 1);
    assert.deepEqual(bench.all.messages, ["a text"]);
    assert.deepEqual(orders.all.messages, [{ paid: true }]);
  }
  assert.notEqual(channels[0][0].all.places[0].epoch, channels[1][0].all.places[0].epoch, "each node has an order of its own");
});

test("the plain protocol gets the same messages, without places", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await start(t);
  const plain = await listen(cable(t, ams, { protocol: "actioncable-v1-json" }).streamFrom("bench"));
  await publish(iad, "bench", { text: "hi" });
  await untilEqual("it has come", () => plain.all.messages, [{ text: "hi" }]);
  assert.deepEqual(plain.all.places, [undefined], "without a place");
});

test("a page gets what it missed while it loaded, and one that is cut off resumes with nothing lost or repeated", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await start(t);
  const since = await knownSince(t, [ams]);
  await publish(iad, "chat/1", { n: 1 });
  await publish(ams, "chat/1", { n: 2 });
  const proxy = await tcpProxy(t, () => (proxy.closed ? undefined : ams.port));
  const made = cable(t, ams, { via: proxy.port, historyTimestamp: since });
  const chat = await listen(made.streamFrom("chat/1"));
  await until("the history has come", () => chat.all.messages.length === 2 && chat.all.infos.includes("history_received"));
  await publish(iad, "chat/1", { n: 3 });
  await until("live", () => chat.all.messages.length === 3);

  for (let round = 0; round < 3; round += 1) {
    const before = chat.all.messages.length;
    proxy.closed = true;
    proxy.cutAll();
    await until("it is cut off", () => made.state !== "connected");
    await publish(iad, "chat/1", { n: before + 1 });
    await publish(ams, "chat/1", { n: before + 2 });
    proxy.closed = false;
    await until("it goes on", () => made.state === "connected" && chat.all.messages.length === before + 2, { within: 10_000 });
    assert.deepEqual(chat.all.connects.at(-1), { reconnect: true, restored: true });
    await publish(ams, "chat/1", { n: before + 3 });
    await until("live again", () => chat.all.messages.length === before + 3);
  }
  const seen = chat.all.messages.map(({ n }) => n).sort((a, b) => a - b);
  assert.deepEqual(seen, Array.from({ length: 12 }, (_, n) => n + 1), "each once; regions have no common order");
  // An attempt that reached no node is repeated with the same one.
  const sids = made.sockets.filter(({ wasOpen }) => wasOpen).map(({ opened }) => new URL(opened).searchParams.get("sid"));
  assert.equal(new Set(sids).size, sids.length, "a session's name works once");
});

test("a client that reconnects to the other region, or to a restarted node, gets what it missed by time", { timeout: 180_000 }, async (t) => {
  const nodes = await start(t);
  const [ams, iad] = nodes;
  await knownSince(t, nodes, 3);
  let to = ams;
  const proxy = await tcpProxy(t, () => to?.port);
  const made = cable(t, ams, { via: proxy.port });
  const chat = await listen(made.streamFrom("chat/1"));
  await publish(ams, "chat/1", { n: 1 });
  await until("it is heard", () => chat.all.messages.length === 1);
  to = undefined;
  proxy.cutAll();
  await until("it is cut off", () => made.state !== "connected");
  await publish(ams, "chat/1", { n: 2 });
  to = iad;
  await until("what was missed has come", () => chat.all.messages.some(({ n }) => n === 2), { within: 10_000 });
  await until("and that is confirmed", () => chat.all.infos.filter((type) => type === "history_received").length >= 2);
  assert.deepEqual(chat.all.connects.at(-1), { reconnect: true, restored: false }, "a session is known to its node only");

  // Only messages within the tolerance may be repeated.
  assert.ok(chat.all.messages.every(({ n }) => n === 1 || n === 2));
  const { sessionId } = made;
  await iad.drain();
  await iad.start();
  await until("it is back", () => made.state === "connected" && made.sessionId !== sessionId, { within: 15_000 });
  await publish(ams, "chat/1", { n: 3 });
  await until("and live", () => chat.all.messages.at(-1).n === 3, { within: 10_000 });
  assert.ok(!chat.all.infos.includes("history_not_found"), String(chat.all.infos));
});

test("several sessions of one id count once in both regions; the first join and the last leave are announced", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await start(t);
  const name = await signed("team");
  const room = (node, options) => listen(cable(t, node, options).streamFromSigned(name));
  const watchers = [await room(ams), await room(iad)];
  const proxy = await tcpProxy(t, () => ams.port);
  const [first, second, third] = [await room(ams, { via: proxy.port }), await room(ams), await room(iad)];
  const seen = () => watchers.map(({ all }) => all.presence.filter(({ type }) => type !== "info"));
  const everywhere = (what, events) => untilEqual(what, seen, [events, events]);
  const ann = { type: "join", id: "ann", info: { name: "Ann" } };

  await first.presence.join("ann", { name: "Ann" });
  await everywhere("the first is announced", [ann]);
  await untilEqual("the sender hears it, too", () => first.all.presence, [ann]);
  for (const watcher of watchers) await untilEqual("and is there", () => watcher.presence.info(), { ann: { name: "Ann" } });
  await second.presence.join("ann", { name: "Ann" });
  await third.presence.join("ann", { name: "Ann" });
  await untilEqual("three tabs of one", async () => [(await ams.counts("team")), (await iad.counts("team"))].map(({ users, tabs }) => [users, tabs]), [[1, 3], [1, 3]]);
  await second.presence.leave();
  await third.disconnect();
  await untilEqual("one tab is left", async () => (await iad.counts("team")).tabs, 1);
  await everywhere("nothing more was said", [ann]);

  // A cut is no leave and no join.
  proxy.cutAll();
  await until("it goes on", () => first.all.connects.at(-1).restored, { within: 10_000 });
  await untilEqual("once", async () => (await iad.counts("team")).tabs, 1);
  await first.presence.join("ann", { name: "Ann" });
  await always("nothing is said", () => JSON.stringify(seen()) === JSON.stringify([[ann], [ann]]), 1_000);

  const left = Date.now();
  await first.presence.leave();
  await everywhere("the last is announced", [ann, { type: "leave", id: "ann" }]);
  assert.ok(Date.now() - left < 1_500, "and at once");
  for (const watcher of watchers) assert.deepEqual(await watcher.presence.info(), {});
  await second.presence.join("bob", { name: "Bob" });
  await until("bob is there", () => seen().every((events) => events.at(-1).id === "bob"));
  await second.presence.leave();
  await second.presence.join("bill", {});
  await until("bill is there", () => seen().every((events) => events.at(-1).id === "bill"));
  await second.disconnect();
  await until("unsubscribing leaves at once", () => seen().every((events) => events.at(-1).type === "leave" && events.at(-1).id === "bill"));
});

test("on a public stream a client cannot take or remove another one's id", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await start(t);
  const name = await signed("bench");
  const ann = await listen(cable(t, ams).streamFromSigned(name));
  const mallory = await listen(cable(t, iad).streamFrom("bench"));
  await ann.presence.join("ann", { name: "Ann" });
  await until("ann is there", () => mallory.all.presence.length === 1);
  await mallory.presence.join("ann", { name: "Mallory" });
  await until("mallory is somebody else", () => ann.all.presence.length === 2);
  assert.match(ann.all.presence[1].id, /^guest:[0-9a-f]{16}:ann$/);
  await mallory.presence.leave();
  await until("mallory is gone", () => ann.all.presence.length === 3);
  assert.equal(ann.all.presence[2].id, ann.all.presence[1].id);
  assert.deepEqual(await ann.presence.info(), { ann: { name: "Ann" } });

  const twice = await listen(cable(t, ams).streamFromSigned(name));
  await twice.presence.join("bob", {});
  await until("bob is there", () => ann.all.presence.at(-1).id === "bob");
  await twice.perform("$presence:join", { id: "carol", info: {} });
  await until("a second id is refused", () => twice.all.presence.at(-1).type === "error");
});

test("a whisper reaches all other clients in both regions, never its sender, and is not kept", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await start(t);
  const since = await knownSince(t, [ams]);
  const [sender, near, far] = [
    await listen(cable(t, ams, { protocolOptions: { pongs: true } }).streamFrom("chat/1")),
    await listen(cable(t, ams, { protocol: "actioncable-v1-json" }).streamFrom("chat/1")),
    await listen(cable(t, iad).streamFrom("chat/1")),
  ];
  await sender.whisper({ typing: true });
  for (const other of [near, far]) await untilEqual("it is heard", () => other.all.messages, [{ typing: true }]);
  await publish(iad, "chat/1", { text: "hi" });
  await untilEqual("the sender hears only what is published", () => sender.all.messages, [{ text: "hi" }]);
  const late = await listen(cable(t, ams, { historyTimestamp: since }).streamFrom("chat/1"));
  await until("the history has come", () => late.all.infos.includes("history_received"));
  assert.deepEqual(late.all.messages, [{ text: "hi" }]);
});

test("a program's token opens its stream and names its user", { timeout: 180_000 }, async (t) => {
  const shop = "https://shop.example";
  const [ams] = await start(t, ["--site", shop]);
  const token = await run("sign", "private/orders/7", "--site", shop, "--user", "ann", "--info", '{"name":"Ann"}');
  for (const websocketAuthStrategy of ["param", "sub-protocol", "header"]) {
    const made = cable(t, ams, { origin: null, token, websocketAuthStrategy });
    const orders = await listen(made.streamFrom("shop.example/private/orders/7"));
    await assert.rejects(made.streamFrom("shop.example/private/orders/8").ensureSubscribed(), /Rejected|unsubscribed/i);
    await publish(ams, "shop.example/private/orders/7", { paid: true });
    await until("it is heard", () => orders.all.messages.length > 0);
    await orders.presence.join("bob", {});
    await until("an id other than the token's is refused", () => orders.all.presence.at(-1)?.type === "error");
    await orders.perform("$presence:join", { id: "ann", info: {} });
    await until("ann is there as the site says", () => orders.all.presence.at(-1)?.type === "join");
    assert.deepEqual(orders.all.presence.at(-1), { type: "join", id: "ann", info: { name: "Ann" } });
    await orders.perform("$presence:leave");
    await until("and gone", () => orders.all.presence.at(-1)?.type === "leave");
  }
});
