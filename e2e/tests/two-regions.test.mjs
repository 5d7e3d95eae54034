// Two nodes, then three: a change in one region is seen in the others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, number, tab, text, untilBulb, visitor, wall } from "../lib/browser.mjs";
import { mesh } from "../lib/node.mjs";
import { until, untilEqual } from "../lib/until.mjs";

test("bulb, label and hi cross from region to region", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await mesh(t, ["ams", "iad"]);
  const [one, other] = await Promise.all([browser(t), browser(t)]);
  const here = await tab(await visitor(one), ams.url);
  const there = await tab(await visitor(other), iad.url);

  await here.locator("#lightbulb").click();
  await untilBulb(there, true);
  const own = (await text(here, "#you")).match(/#[0-9A-F]{8}/)[0];
  await until("the label says who and where", async () => new RegExp(`^Last clicked by: User ${own}\\b.*Amsterdam`).test(await text(there, "#lightswitch-label")));

  for (const page of [here, there, here]) {
    await page.locator("[data-reflex='click->Hi#say_hi']").click();
  }
  await until("three messages on both", async () => (await wall(here)).length === 3 && (await wall(there)).length === 3);
  assert.deepEqual(await wall(here), await wall(there), "the same order");
  assert.equal((await wall(here)).filter((message) => message.includes("Ashburn")).length, 1);
  const marks = (page) => page.locator("#messages-body .who").evaluateAll((all) => all.map((who) => [who.textContent, getComputedStyle(who, "::after").content]));
  for (const page of [here, there]) {
    const you = await text(page, "#you");
    for (const [who, mark] of await marks(page)) assert.equal(mark, who === you ? '" · yours"' : "none", "each page marks its own");
  }
});

test("a tab in another region is a tab of the same user", { timeout: 180_000 }, async (t) => {
  const [ams, iad, yyz] = await mesh(t, ["ams", "iad", "yyz"]);
  const chromium = await browser(t);
  const person = await visitor(chromium);
  const first = await tab(person, ams.url);
  const second = await tab(person, ams.url);
  const bystander = await tab(await visitor(chromium), yyz.url);
  await untilEqual("two users", () => yyz.counts(), { users: 2, tabs: 3, unsure: 0 });

  const third = await tab(person, `http://ams.localhost:${iad.port}`);
  for (const page of [first, second, third]) await untilEqual("three tabs", () => number(page, "#tabcount"), 3);
  await untilEqual("one user in two regions is one", () => yyz.counts(), { users: 2, tabs: 4, unsure: 0 });
  await untilEqual("but counts in each", async () => [await number(bystander, "#ams_usercount"), await number(bystander, "#iad_usercount")], [1, 1]);

  await third.close();
  for (const page of [first, second]) await untilEqual("two tabs", () => number(page, "#tabcount"), 2);
  await untilEqual("and the region is empty", () => number(bystander, "#iad_usercount"), 0);
});

test("a browser that opens and closes moves its region's count everywhere", { timeout: 180_000 }, async (t) => {
  const [ams, iad, yyz] = await mesh(t, ["ams", "iad", "yyz"]);
  const chromium = await browser(t);
  const watching = await Promise.all([ams, yyz].map(async (node) => tab(await visitor(chromium), node.url)));
  const guest = await browser(t);
  await tab(await visitor(guest), iad.url);
  for (const page of watching) await untilEqual("one in Ashburn", () => number(page, "#iad_usercount"), 1);
  for (const page of watching) await untilEqual("three in all", () => number(page, "#headcount"), 3);
  await guest.close();
  // A browser that ends says goodbye for its tabs or not: two seconds, or twenty.
  for (const page of watching) await untilEqual("none in Ashburn", () => number(page, "#iad_usercount"), 0, { within: 23_000 });
  for (const page of watching) await untilEqual("two in all", () => number(page, "#headcount"), 2);
});
