// A reload is no leave and no join: a watcher sees no change, neither in users nor in tabs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, connected, number, tab, visitor } from "../lib/browser.mjs";
import { Node, mesh } from "../lib/node.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { watchCounts, watcher } from "../lib/rooms.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

/** Time in which a closed connection may still be counted. */
const LINGER_MS = 10_000;

/** A watcher on each node; `nothingSeen()` waits until a closed connection no longer counts, and fails where one saw anything but the expected counts. */
async function watchAll(t, nodes, expected) {
  const watchers = await Promise.all(nodes.map((node) => watcher(t, node)));
  const wanted = { users: expected.users + watchers.length, tabs: expected.tabs + watchers.length, unsure: 0 };
  for (const node of nodes) await untilEqual(`${node.name} counts all`, () => node.counts(), wanted);
  await until("all watchers show all", () => watchers.every((one) => one.number("#headcount") === wanted.users));
  const counts = nodes.map((node) => watchCounts(t, node));
  watchers.forEach((one) => one.shown.splice(0));
  return {
    nothingSeen: async () => {
      await pause(LINGER_MS + 2_000);
      for (const [place, { seen }] of counts.entries()) {
        assert.deepEqual(seen.map(({ value, error }) => error ?? value), [wanted], `the API of ${nodes[place].name}`);
      }
      for (const one of watchers) {
        assert.deepEqual(one.shown.filter(({ users }) => users !== wanted.users), [], `the page on ${one.node.name}`);
      }
    },
  };
}

test("a watcher sees nothing of a reload", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"]);
  const page = await tab(await visitor(await browser(t)), nodes[0].url);
  const watching = await watchAll(t, nodes, { users: 1, tabs: 1 });
  for (let times = 0; times < 3; times += 1) {
    await page.reload();
    await connected(page);
  }
  await watching.nothingSeen();
  assert.equal(await number(page, "#tabcount"), 1);
});

test("nor of a reload whose socket opens four seconds after the page", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"]);
  const page = await tab(await visitor(await browser(t)), nodes[0].url);
  const watching = await watchAll(t, nodes, { users: 1, tabs: 1 });
  await page.route("**/assets/*.js", async (route) => {
    await pause(4_000);
    await route.continue();
  });
  await page.reload({ waitUntil: "commit" });
  await connected(page);
  await watching.nothingSeen();
  assert.equal(await number(page, "#tabcount"), 1);
});

test("nor of two tabs that are reloaded together", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"]);
  const context = await visitor(await browser(t));
  const pages = [await tab(context, nodes[0].url), await tab(context, nodes[0].url)];
  const watching = await watchAll(t, nodes, { users: 1, tabs: 2 });
  await Promise.all(pages.map(async (page) => {
    await page.reload();
    await connected(page);
  }));
  await watching.nothingSeen();
  for (const page of pages) assert.equal(await number(page, "#tabcount"), 2);
});

test("nor of a reload that a second node of the region serves", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "ams", "iad"]);
  let serving = nodes[0];
  const proxy = await tcpProxy(t, () => serving.port);
  const page = await tab(await visitor(await browser(t)), `http://ams.localhost:${proxy.port}`);
  const watching = await watchAll(t, nodes, { users: 1, tabs: 1 });
  serving = nodes[1];
  await page.reload();
  await connected(page);
  await watching.nothingSeen();
  assert.equal(await number(page, "#tabcount"), 1);
});

test("a tab that is closed is gone after two seconds", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const context = await visitor(await browser(t));
  const page = await tab(context, node.url);
  const one = await watcher(t, node);
  await untilEqual("two", () => node.counts(), { users: 2, tabs: 2, unsure: 0 });
  // The linger of ten seconds is for pages that have no connection yet.
  const closed = Date.now();
  await page.close();
  await until("gone", async () => (await node.counts()).users === 1);
  const took = Date.now() - closed;
  assert.ok(took >= 1_800 && took < 3_000, `${took} ms`);
  await until("and drawn", () => one.number("#headcount") === 1);
});
