// The example `applause`: a counter and a set, in two regions in real Chromiums.
import assert from "node:assert/strict";
import { test } from "node:test";
import { claps, theatre } from "../lib/applause.mjs";
import { browser, tab, text, visitor } from "../lib/browser.mjs";
import { folder } from "../lib/node.mjs";
import { untilEqual } from "../lib/until.mjs";

test("claps of two people in two regions are added up, and survive kill -9", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await theatre(t, ["ams", "iad"], () => ({ dataDir: folder(t) }));
  const chromium = await browser(t);
  const [one, other] = [await visitor(chromium), await visitor(chromium)];
  const [here, there] = [await tab(one, `${ams.url}/`), await tab(other, `${iad.url}/`)];
  const shows = (page, selector, words) => untilEqual(`${selector} says so`, () => text(page, selector), words);
  await shows(here, "#own", "You have not clapped yet.");
  for (const page of [here, here, there]) await page.click("button:not(.quiet)");
  for (const page of [here, there]) {
    await shows(page, "#sum", "3 claps by 2 people");
    await shows(page, "#own", "You are one of them.");
  }
  await Promise.all([ams.kill(), iad.kill()]);
  await Promise.all([ams.start(), iad.start()]);
  assert.deepEqual([await claps(ams), await claps(iad)], [3, 3]);
});
