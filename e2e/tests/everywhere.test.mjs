// A hundred clicks in each of six regions at once: all agree, and each keeps the result.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { folder, mesh } from "../lib/node.mjs";
import { read } from "../lib/page.mjs";
import { fastClicks } from "../lib/rooms.mjs";
import { until } from "../lib/until.mjs";

const REGIONS = ["ams", "iad", "lhr", "maa", "scl", "yyz"];

/** The facts on a page, without its visitors. */
function shown(html) {
  const page = read(html);
  return JSON.stringify({ on: page.on, label: page.text("#lightswitch-label"), messages: page.messages.map(({ text, at }) => [text, at]) });
}

test("six regions click at once and agree, also after a stop", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, REGIONS, () => ({ dataDir: folder(t), args: fastClicks }));
  const clients = await Promise.all(nodes.map((node) => BareClient.join(t, node, { draws: true })));
  await Promise.all(clients.map(async (client) => {
    const answers = [];
    for (let click = 0; click < 50; click += 1) answers.push(client.toggle(), client.hi());
    for (const answer of await Promise.all(answers)) assert.equal(answer.name, "stimulus-reflex:morph-nothing");
  }));

  await until("all hold the same facts", async () => {
    const roots = await Promise.all(nodes.map(async (node) => (await node.mesh()).facts_root));
    return new Set(roots).size === 1;
  }, { within: 15_000 });
  const pages = await Promise.all(nodes.map(async (node) => shown((await node.get("/")).body)));
  assert.deepEqual([...new Set(pages)], [pages[0]]);
  // The wall has nine places, and at most three for each person: the last clicks may be of one region alone.
  const { messages } = JSON.parse(pages[0]);
  assert.ok(messages.length >= 3 && messages.length <= 9, pages[0]);
  await until("open pages show the same", () => clients.every((client) => shown(client.document.toString()) === pages[0]));

  await Promise.all(clients.map((client) => client.close()));
  const exits = await Promise.all(nodes.map((node) => node.drain()));
  const logs = nodes.filter((_, place) => exits[place].code !== 0).map((node) => node.log.slice(-2_000));
  assert.deepEqual(logs, [], "all end without an error");
  for (const node of nodes) {
    await node.start();
    assert.equal(shown((await node.get("/")).body), pages[0], `${node.name} alone`);
    await node.kill();
  }
});
