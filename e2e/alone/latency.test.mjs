// The time of a click from a page in one region to a page in another, without simulated delays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, isOn, tab, untilBulb, visitor } from "../lib/browser.mjs";
import { mesh } from "../lib/node.mjs";
import { fastClicks } from "../lib/rooms.mjs";

const CLICKS = 200;

test("200 clicks: the other region's page has changed within 100 ms, most within 40", { timeout: 120_000 }, async (t) => {
  const [ams, iad] = await mesh(t, ["ams", "iad"], { args: fastClicks });
  const [one, other] = await Promise.all([browser(t), browser(t)]);
  const here = await tab(await visitor(one), ams.url);
  const there = await tab(await visitor(other), iad.url);
  await here.evaluate(() => {
    globalThis.clicked = [];
    document.querySelector("#lightbulb").addEventListener("click", () => globalThis.clicked.push(Date.now()), { capture: true });
  });
  await there.evaluate(() => {
    globalThis.changed = [];
    let on = document.querySelector("#lightbulb").classList.contains("on");
    new MutationObserver(() => {
      const now = document.querySelector("#lightbulb").classList.contains("on");
      if (now !== on) globalThis.changed.push(Date.now());
      on = now;
    }).observe(document.body, { subtree: true, attributes: true, childList: true });
  });

  let on = await isOn(here);
  for (let click = 0; click < CLICKS; click += 1) {
    await here.locator("#lightbulb").click();
    on = !on;
    await Promise.all([untilBulb(there, on), untilBulb(here, on)]);
  }
  const clicked = await here.evaluate(() => globalThis.clicked);
  const changed = await there.evaluate(() => globalThis.changed);
  assert.equal(clicked.length, CLICKS);
  assert.equal(changed.length, CLICKS, "each click was one change");
  const times = clicked.map((at, place) => changed[place] - at).sort((a, b) => a - b);
  const [median, p95] = [times[CLICKS / 2], times[Math.ceil(CLICKS * 0.95) - 1]];
  t.diagnostic(`median ${median} ms, p95 ${p95} ms, longest ${times.at(-1)} ms`);
  assert.ok(median < 40, `median ${median} ms`);
  assert.ok(p95 < 100, `p95 ${p95} ms`);
});
