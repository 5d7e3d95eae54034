// A node that is killed, and all nodes restarted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, number, tab, text, visitor } from "../lib/browser.mjs";
import { BareClient } from "../lib/client.mjs";
import { folder, mesh } from "../lib/node.mjs";
import { read } from "../lib/page.mjs";
import { watchCounts, watcher } from "../lib/rooms.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

test("a killed node's users are unsure in under five seconds, and counted once when they are back", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad", "yyz"], () => ({ dataDir: folder(t) }));
  const [ams, iad, yyz] = nodes;
  const lost = await Promise.all(Array.from({ length: 3 }, () => BareClient.join(t, yyz, { draws: true, returns: true })));
  const page = await tab(await visitor(await browser(t)), ams.url);
  const watching = await Promise.all([ams, iad].map((node) => watcher(t, node)));
  await lost[0].toggle();
  await lost[1].hi();
  await untilEqual("six users", () => ams.counts(), { users: 6, tabs: 6, unsure: 0 });
  await until("the bulb crossed", () => watching.every((one) => one.bulb));
  await until("the hi is on the page", async () => read((await yyz.get("/")).body).messages.length === 1);
  const said = read((await yyz.get("/")).body);
  await pause(50); // facts older than 50 ms survive kill -9: the promise under test

  const killed = Date.now();
  await yyz.kill();
  await until("no page counts them", async () => (await number(page, "#headcount")) === 3 && watching.every((one) => one.number("#headcount") === 3), { within: 5_000 });
  assert.ok(Date.now() - killed < 5_000);
  await untilEqual("they are unsure", () => ams.counts(), { users: 3, tabs: 3, unsure: 3 });
  assert.equal(await ams.stateOf("yyz"), "silent");
  assert.match(await text(page, "#headcount"), /3 more/);

  const restarted = Date.now();
  await yyz.start();
  const back = read((await yyz.get("/")).body);
  assert.equal(back.on, true);
  assert.deepEqual(back.messages, said.messages);
  for (const node of [ams, iad]) await untilEqual("it is live again", () => node.stateOf("yyz"), "live", { within: 8_000 - (Date.now() - restarted) });

  const counts = [ams, iad, yyz].map((node) => watchCounts(t, node));
  await until("all its users are back", () => lost.every((client) => client.welcomes === 2), { within: 30_000 });
  for (const node of nodes) await untilEqual("counted once", () => node.counts(), { users: 6, tabs: 6, unsure: 0 });
  for (const { seen } of counts) {
    const twice = seen.filter(({ value }) => value && (value.users > 6 || value.tabs > 6));
    assert.deepEqual(twice, [], "no user was ever counted twice");
  }
});

test("everything stopped and started: bulb and messages are there", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"], () => ({ dataDir: folder(t) }));
  const client = await BareClient.join(t, nodes[0], { draws: true });
  await client.toggle();
  await client.hi();
  for (const node of nodes) await until("it is there", async () => read((await node.get("/")).body).messages.length === 1);
  const before = read((await nodes[0].get("/")).body);
  await client.close();
  await Promise.all(nodes.map((node) => node.drain()));
  await nodes[0].start();
  const alone = await nodes[0].room();
  assert.equal(alone.regions_known, 2, "it remembers the region that it does not hear");
  assert.ok(alone.regions_heard < 2);
  assert.equal(await nodes[0].stateOf("iad"), "silent");
  assert.match(read((await nodes[0].get("/")).body).text("#serving"), /runs in 2 regions/);
  await nodes[1].start();
  for (const node of nodes) {
    const after = read((await node.get("/")).body);
    assert.equal(after.on, true);
    assert.deepEqual(after.messages, before.messages);
    assert.equal(after.text("#lightswitch-label"), before.text("#lightswitch-label"));
  }
});
