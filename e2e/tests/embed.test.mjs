// Two lines on another site's page show the right number in two regions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, open, visitor } from "../lib/browser.mjs";
import { mesh } from "../lib/node.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { embedding, people, shop, shown, untilShown } from "../lib/shop.mjs";
import { pause, untilEqual } from "../lib/until.mjs";

/** A closed connection counts for at most this long. */
const LINGER_MS = 2_000;

/** Two regions, and one product that is embedded from either: `?from=iad`. */
async function product(t) {
  const site = await shop(t);
  const nodes = await mesh(t, ["ams", "iad"], (region) => ({ args: site.site, host: `${region}.localhost` }));
  const by = Object.fromEntries(nodes.map((node) => [node.region, node]));
  const html = (url) => embedding(by[url.searchParams.get("from") ?? "ams"]);
  site.put("/lamp", html);
  site.put("/chair", html);
  return { site, nodes, room: `${site.host}/lamp`, at: (region, path = "/lamp") => `${site.origin}${path}?from=${region}` };
}

test("two lines show the right number in two regions, through reload, back and forward", { timeout: 180_000 }, async (t) => {
  const { site, nodes, room, at } = await product(t);
  const chromium = await browser(t);
  const [here, there] = [await open(await visitor(chromium), at("ams")), await open(await visitor(chromium), at("iad"))];
  for (const page of [here, there]) await untilShown(page, people(2));
  for (const node of nodes) await untilEqual("every node counts two", () => node.counts(room), { users: 2, tabs: 2, unsure: 0 });

  const counts = watchCounts(t, nodes[1], room);
  await here.reload();
  await untilShown(here, people(2));
  await pause(LINGER_MS + 1_000);
  assert.deepEqual(counts.values(), [{ users: 2, tabs: 2, unsure: 0 }], "a reload is no leave and no join");

  await here.goto(at("ams", "/chair"));
  await untilShown(here, people(1));
  await untilShown(there, people(1));
  await here.goBack();
  for (const page of [here, there]) await untilShown(page, people(2));
  await here.goForward();
  await untilShown(there, people(1));
  await untilShown(here, people(1));
  assert.equal(await nodes[0].room(`${site.host}/chair`).then(({ users }) => users), 1);
  assert.deepEqual([...here.complaints, ...there.complaints], []);
});

test("a page in the back/forward cache is counted only when it is shown again", { timeout: 180_000 }, async (t) => {
  const { nodes, room, at } = await product(t);
  const page = await open(await visitor(await browser(t, { keepsPages: true })), at("ams"));
  await untilShown(page, people(1));
  await page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (window.persisted = persisted)));
  await page.goto(at("ams", "/chair"));
  // Its visitor went on within the site, so the page is waited for.
  await untilEqual("the room is empty", () => nodes[1].counts(room).then(({ users }) => users), 0, { within: 15_000 });
  // A page out of the cache is not loaded, so playwright has nothing to wait for.
  await page.evaluate(() => void history.back());
  await untilEqual("the visitor is back", () => nodes[1].counts(room).then(({ users }) => users), 1, { within: 8_000 });
  assert.equal(await page.evaluate(() => window.persisted), true, "it was not loaded again");
  await untilShown(page, people(1));
});

test("one browser is one user with two tabs, and shows how it is identified", { timeout: 180_000 }, async (t) => {
  const { nodes, room, at } = await product(t);
  const context = await visitor(await browser(t));
  const first = await open(context, at("ams"));
  await untilShown(first, people(1));
  const second = await open(context, at("iad"));
  await untilEqual("two tabs of one user", () => nodes[0].counts(room), { users: 1, tabs: 2, unsure: 0 });
  await untilShown(second, people(1));
  for (const page of [first, second]) assert.equal(await page.locator("live-presence").getAttribute("data-identity"), "storage");
});

test("a hidden page is a user who does not look", { timeout: 180_000 }, async (t) => {
  const { nodes, room, at } = await product(t);
  const page = await open(await visitor(await browser(t)), at("ams"));
  await untilShown(page, people(1));
  const looking = () => nodes[1].room(room).then(({ users, looking }) => [users, looking]);
  await untilEqual("one who looks", looking, [1, 1]);
  const see = (state) => page.evaluate((visibility) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => visibility });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
  await see("hidden");
  await untilEqual("one who does not look", looking, [1, 0]);
  await see("visible");
  await untilEqual("one who looks again", looking, [1, 1]);
});

test("a server that is started again counts its pages again", { timeout: 180_000 }, async (t) => {
  const { nodes, at } = await product(t);
  const chromium = await browser(t);
  const [here, there] = [await open(await visitor(chromium), at("ams")), await open(await visitor(chromium), at("iad"))];
  for (const page of [here, there]) await untilShown(page, people(2));
  await here.evaluate(() => {
    window.stale = [];
    document.addEventListener("presence:stale", ({ detail }) => window.stale.push(detail));
  });
  await nodes[0].kill();
  await here.waitForSelector("live-presence[data-stale]");
  assert.deepEqual(await shown(here), [people(2)], "the last number stays");
  assert.equal((await here.evaluate(() => window.stale)).length, 1);
  await nodes[0].start();
  await here.waitForSelector("live-presence:not([data-stale])", { timeout: 30_000 });
  for (const page of [here, there]) await untilShown(page, people(2), { within: 30_000 });
});

test("no visitor leaves during a deploy", { timeout: 180_000 }, async (t) => {
  const { nodes, room, at } = await product(t);
  const page = await open(await visitor(await browser(t)), at("ams"));
  await untilShown(page, people(1));
  await untilEqual("the other region counts it, too", async () => (await nodes[1].counts(room)).users, 1);
  const counts = watchCounts(t, nodes[1], room);
  await nodes[0].drain();
  await nodes[0].start();
  await page.waitForSelector("live-presence:not([data-stale])", { timeout: 30_000 });
  await untilShown(page, people(1));
  await pause(LINGER_MS + 1_000);
  assert.deepEqual([...new Set(counts.values().map(({ users }) => users))], [1]);
});
