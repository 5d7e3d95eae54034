// People with real browsers in six regions that are linked by a NATS supercluster of three servers: the same truths as over links of their own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, number, tab, text, untilBulb, visitor, wall } from "../lib/browser.mjs";
import { natsMesh, supercluster } from "../lib/nats.mjs";
import { until, untilEqual } from "../lib/until.mjs";

/** Which regions use the server of which one. */
const SERVED_BY = { ams: "ams", lhr: "ams", iad: "iad", yyz: "iad", maa: "maa", scl: "maa" };

test("two people meet in six regions over three NATS gateways, and a killed node's visitor is unsure, then back", { timeout: 180_000 }, async (t) => {
  const { servers } = await supercluster(t, ["ams", "iad", "maa"]);
  const nodes = await natsMesh(t, Object.entries(SERVED_BY).map(([region, by]) => ({ region, name: region, servers: [servers[by]] })));
  const [ams, lhr, iad, , maa] = nodes;
  const [one, other] = await Promise.all([browser(t), browser(t)]);
  const person = await visitor(one);
  const here = await tab(person, ams.url);
  const second = await tab(person, ams.url);
  const there = await tab(await visitor(other), maa.url);
  for (const page of [here, second, there]) await untilEqual("two people", () => number(page, "#headcount"), 2);

  await here.bringToFront();
  await here.locator("#lightbulb").click();
  await untilBulb(there, true);
  const own = (await text(here, "#you")).match(/#[0-9A-F]{8}/)[0];
  await until("the label says who and where", async () => new RegExp(`^Last clicked by: User ${own}\\b.*Amsterdam`).test(await text(there, "#lightswitch-label")));
  for (const page of [here, there]) await page.locator("[data-reflex='click->Hi#say_hi']").click();
  for (const page of [here, second, there]) await until("two messages", async () => (await wall(page)).length === 2);
  assert.deepEqual(await wall(here), await wall(there), "once each, in the same order");

  // The same host, so the same cookie, on the port of a region that another server links.
  const third = await tab(person, `http://ams.localhost:${iad.port}`);
  for (const page of [here, second, third]) await untilEqual("three tabs, in both regions", () => number(page, "#tabcount"), 3);
  assert.equal(await number(there, "#tabcount"), 1);
  await third.close();
  for (const page of [here, second]) await untilEqual("two tabs", () => number(page, "#tabcount"), 2);

  const guest = await tab(await visitor(other), lhr.url);
  for (const page of [here, there]) await untilEqual("one in London", () => number(page, "#lhr_usercount"), 1);
  const killed = Date.now();
  await lhr.kill();
  for (const page of [here, there]) await untilEqual("no page counts the visitor of a killed node", () => number(page, "#headcount"), 2, { within: 5_000 - (Date.now() - killed) });
  await until("it says that one more is unsure", async () => /1 more/.test(await text(there, "#headcount")));
  await lhr.start();
  for (const page of [here, there, guest]) await untilEqual("three people, once the page has found its node again", () => number(page, "#headcount"), 3, { within: 40_000 });
  for (const node of nodes) await untilEqual("every region counts them once", () => node.counts(), { users: 3, tabs: 4, unsure: 0 });
});
