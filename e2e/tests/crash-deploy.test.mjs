// A deploy by `kill -9`: each of three nodes is killed in turn and started again at once. None of its visitors leaves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, connected, tab, visitor } from "../lib/browser.mjs";
import { BareClient } from "../lib/client.mjs";
import { Jar } from "../lib/http.mjs";
import { folder, mesh } from "../lib/node.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";
import { receiver, telling } from "../lib/webhooks.mjs";

const USERS = 8;
const WITH_TWO_TABS = 2;
/** What a killed node's visitors had is held for 20 s, and what was taken of it said for 5 s longer. */
const RUN_OUT_MS = 26_000;

/** The visitors of one node: some have two tabs there. They come back to it as the stock client does. */
async function visitors(t, node) {
  const join = (jar) => BareClient.join(t, node, { jar, returns: true });
  const first = await Promise.all(Array.from({ length: USERS }, () => join(new Jar())));
  // With the cookie that their first page has set.
  const second = await Promise.all(first.slice(0, WITH_TWO_TABS).map(({ jar }) => join(jar)));
  return [...first, ...second];
}

/** Kills a node, starts it again at once, and waits until its visitors are back and nothing is held for them; what the others counted, and the node itself. */
async function killAndStart(t, node, others, clients, page) {
  const counts = others.map((other) => watchCounts(t, other));
  const welcomes = clients.map((client) => client.welcomes);
  await node.kill();
  await node.start();
  // Whatever it is sure of is right.
  const own = await until("it is sure of its numbers", async () => {
    const answer = await node.room();
    return answer.regions_heard === answer.regions_known && answer;
  }, { within: 4_000, every: 5 });
  await until("all its visitors are back", () => clients.every((client, place) => client.welcomes === welcomes[place] + 1 && client.welcomed), { within: 40_000 });
  await connected(page, 40_000);
  await pause(RUN_OUT_MS);
  await Promise.all(counts.map((one) => one.stop()));
  return { own, seen: counts.map((one) => one.seen) };
}

test("a deploy by kill -9 of each node in turn is no leave, no join and no dip", { timeout: 400_000 }, async (t) => {
  const { told, url, of } = await receiver(t);
  // The first one tells.
  const nodes = await mesh(t, ["ams", "iad", "yyz"], (region) => ({ name: `${region}-1`, dataDir: folder(t), ...telling(url) }));
  await until("the first node tells", () => of("resync.started").length > 0, { within: 20_000 });
  const chromium = await browser(t);
  const clients = await Promise.all(nodes.map((node) => visitors(t, node)));
  const pages = await Promise.all(nodes.map(async (node) => tab(await visitor(chromium), node.url)));
  const users = nodes.length * (USERS + 1);
  const full = { users, tabs: users + nodes.length * WITH_TWO_TABS, unsure: 0 };
  for (const node of nodes) await untilEqual("all are counted", () => node.counts(), full);
  await until("all joins are told", () => of("member.joined").length === users);

  for (const [place, node] of nodes.entries()) {
    const before = told.length;
    const others = nodes.filter((other) => other !== node);
    const { own, seen } = await killAndStart(t, node, others, clients[place], pages[place]);
    assert.equal(own.users, users, `${node.name}, started again, counts all`);
    for (const [index, values] of seen.entries()) {
      const other = values.filter(({ text }) => text !== JSON.stringify(full)).map(({ at, text }) => `${at - values[0].at} ms: ${text}`);
      assert.deepEqual(other, [], `${others[index].name} counts all while ${node.name} is restarted`);
    }
    const since = told.slice(before).map(({ type }) => type);
    assert.deepEqual(since.filter((type) => /^member|vacated/.test(type)), [], `told while ${node.name} is restarted: ${since}`);
    assert.equal(since.includes("resync.started"), place === 0, "the node that tells begins again with all rooms");
  }
  // It still tells.
  const leaver = clients[1][USERS - 1];
  const before = told.length;
  await leaver.close();
  await until("a leave is told", () => told.slice(before).some(({ type }) => type === "member.left"), { within: 10_000 });
});
