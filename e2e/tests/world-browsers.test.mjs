// Two people with real browsers in a running world, with an ocean between them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, number, tab, text, untilBulb, visitor, wall } from "../lib/browser.mjs";
import { until, untilEqual } from "../lib/until.mjs";
import { world } from "../lib/world.mjs";

test("two people meet across an ocean", { timeout: 180_000 }, async (t) => {
  const running = await world(t);
  const [ams, iad] = ["ams", "iad"].map((region) => running.node(region));
  const [one, other] = await Promise.all([browser(t), browser(t)]);
  const person = await visitor(one);
  const here = await tab(person, ams.url);
  const second = await tab(person, ams.url);
  const there = await tab(await visitor(other), iad.url);
  for (const page of [here, second, there]) await untilEqual("two people", () => number(page, "#headcount"), 2);

  assert.match(await text(here, "#edge"), /Frankfurt|Paris|Stockholm/, "an edge near Amsterdam");
  assert.equal(await text(second, "#edge"), await text(here, "#edge"), "the same one for all tabs");
  assert.match(await text(there, "#edge"), /Secaucus|Atlanta|Chicago/);

  await here.bringToFront();
  await here.locator("#lightbulb").click();
  await untilBulb(there, true);
  const own = (await text(here, "#you")).match(/#[0-9A-F]{8}/)[0];
  await until("the label says who and where", async () => new RegExp(`^Last clicked by: User ${own}\\b.*Amsterdam`).test(await text(there, "#lightswitch-label")));

  for (const page of [here, there]) await page.locator("[data-reflex='click->Hi#say_hi']").click();
  for (const page of [here, second, there]) await until("two messages", async () => (await wall(page)).length === 2);
  assert.deepEqual(await wall(here), await wall(there), "once each, in the same order");

  const third = await tab(person, `http://ams.localhost:${iad.port}`);
  for (const page of [here, second, third]) await untilEqual("three tabs, in both regions", () => number(page, "#tabcount"), 3);
  assert.equal(await number(there, "#tabcount"), 1);
  await third.close();
  for (const page of [here, second]) await untilEqual("two tabs", () => number(page, "#tabcount"), 2);

  const guest = await browser(t);
  const visit = await tab(await visitor(guest), running.node("maa").url);
  for (const page of [here, there]) await untilEqual("one in Chennai", () => number(page, "#maa_usercount"), 1);
  await visit.close();
  for (const page of [here, there]) await untilEqual("none in Chennai", () => number(page, "#maa_usercount"), 0);
  for (const page of [here, there]) await untilEqual("two people", () => number(page, "#headcount"), 2);
});
