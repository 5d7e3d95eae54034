// `@anycable/core`, unmodified, asks nodes for what they never had: after a restart, on a new node, after losses, by time alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Node, allHearAll, mesh } from "../lib/node.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { cable, heard, historySince as past, knownSince, publish } from "../lib/stock.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const args = ["--public-streams", "chat/*"];
const received = "history_received";
const notFound = "history_not_found";
const seconds = () => Math.floor(Date.now() / 1_000);

test("a message outlives the node that took it, by a crash and by a deploy", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"], { args });
  const [ams, iad] = nodes;
  const since = await knownSince(t, nodes);
  await publish(iad, "chat/1", { n: 1 });
  await until("both have it", async () => (await past(t, ams, since)).messages.length === 1);
  for (const end of ["kill", "drain"]) {
    await iad[end]();
    await iad.start();
    assert.deepEqual(await past(t, iad, since), { told: received, messages: [1] }, end);
    await allHearAll(nodes);
    assert.deepEqual(await past(t, iad, since, "chat/quiet"), { told: received, messages: [] }, end);
    assert.deepEqual(await past(t, ams, since), { told: received, messages: [1] }, end);
  }
  assert.equal((await past(t, iad, since - 600)).told, notFound, "no node knows of the time before");
});

test("a client of a node that is killed misses nothing, with a position or a time alone", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"], { args });
  const [ams, iad] = nodes;
  await knownSince(t, nodes, 3);
  const proxy = await tcpProxy(t, () => (proxy.closed ? undefined : iad.port));
  const made = cable(t, iad, { via: proxy.port });
  const channels = ["chat/1", "chat/2"].map((stream) => made.streamFrom(stream));
  const [placed, timed] = channels.map(heard);
  for (const channel of channels) await channel.ensureSubscribed();
  await publish(ams, "chat/1", { n: 1 });
  await until("it is live", () => placed.messages.length === 1);
  proxy.closed = true;
  proxy.cutAll();
  await until("it is cut off", () => made.state !== "connected");
  for (const [stream, node] of [["chat/1", iad], ["chat/2", iad], ["chat/1", ams]]) await publish(node, stream, { n: 2 });
  await until("the other region has them", async () => (await past(t, ams, seconds() - 2)).messages.filter((n) => n === 2).length >= 2);
  await iad.kill();
  await iad.start();
  proxy.closed = false;
  const last = (all) => all.infos.filter((type) => type.startsWith("history_")).length;
  await until("both are answered", () => [placed, timed].every((all) => last(all) === 2), { within: 15_000 });
  assert.deepEqual([placed, timed].map(({ infos }) => infos.at(-1)), [received, received]);
  assert.deepEqual([placed, timed].map(({ messages }) => messages.filter(({ n }) => n === 2).length), [2, 1]);
  await publish(ams, "chat/2", { n: 3 });
  await until("it is live again", () => timed.messages.at(-1)?.n === 3);
});

test("a third node has what was published before it existed, unless more was published than is kept", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"], { args });
  const since = await knownSince(t, nodes);
  await publish(nodes[0], "chat/1", { n: 1 });
  for (let n = 0; n < 101; n += 1) await publish(nodes[1], "chat/2", { n });
  await until("all have come", async () => (await past(t, nodes[0], since + 600, "chat/2")).told === received);
  const third = await Node.start(t, { region: "maa", mesh: true, host: "maa.localhost", args, peers: nodes });
  assert.deepEqual(await past(t, third, since), { told: received, messages: [1] });
  for (const node of [...nodes, third]) assert.equal((await past(t, node, since, "chat/2")).told, notFound, node.name);
});

test("a node alone says that it knows nothing of the time before its start", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args });
  const since = await knownSince(t, [node]);
  await publish(node, "chat/1", { n: 1 });
  await untilEqual("it has it", () => past(t, node, since), { told: received, messages: [1] });
  await node.kill();
  await node.start();
  assert.deepEqual(await past(t, node, since), { told: notFound, messages: [] });
  await knownSince(t, [node]);
});

test("while a node is silent nothing is confirmed, and what it published meanwhile is there afterwards", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"], { args });
  const [ams, iad] = nodes;
  const since = await knownSince(t, nodes);
  ams.freeze();
  await until("it is silent", async () => (await iad.stateOf("ams")) === "silent", { within: 10_000 });
  assert.equal((await past(t, iad, since)).told, notFound);
  ams.thaw();
  await allHearAll(nodes);
  await publish(ams, "chat/1", { n: 1 });
  for (const node of nodes) {
    await untilEqual("it is confirmed", () => past(t, node, since), { told: received, messages: [1] }, { within: 15_000 });
  }
});
