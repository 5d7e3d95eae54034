// A click that is refused, or that can't leave the page: the button shakes and says why.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, isOn, tab, text, visitor } from "../lib/browser.mjs";
import { Node } from "../lib/node.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const bulb = "#lightbulb";
const wave = "[data-reflex='click->Hi#say_hi']";
/** Where the page says why a click on this button was refused. */
const reason = (button) => `section:has(${button}) [data-presence-error]`;

/** A tab that notes what has shaken. */
async function watched(context, url) {
  const page = await tab(context, url);
  await page.evaluate(() => {
    globalThis.shaken = [];
    document.addEventListener("animationstart", ({ animationName, target }) => animationName === "shake" && globalThis.shaken.push(target.closest("button")));
  });
  return page;
}

const shakes = (page, button) => page.evaluate((selector) => globalThis.shaken.filter((shaken) => shaken.matches(selector)).length, button);

/** What a button says of itself, below its picture. */
const said = (page, button) => page.locator(button).evaluate((element) => getComputedStyle(element, "::after").content);

test("a halted click says why, at the button that was clicked", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--messages-per-second", "1", "--message-burst", "8"] });
  const page = await watched(await visitor(await browser(t)), node.url);
  for (const [button, other] of [[bulb, wave], [wave, bulb]]) {
    // All at once, so that the limit is met on a slow machine, too.
    await page.locator(button).evaluate((element) => Array.from({ length: 20 }, () => element.click()));
    await until("a click too many", async () => (await text(page, reason(button))) !== "");
    assert.match(await text(page, reason(button)), /^Too many clicks at once/);
    assert.equal(await text(page, reason(other)), "");
    await until("it shakes", async () => (await shakes(page, button)) > 0);
    await until("the next click that succeeds takes it back", async () => {
      await page.locator(button).click();
      return (await text(page, reason(button))) === "";
    }, { every: 1_500 });
  }
});

test("a click while disconnected says that it is lost, each time", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const page = await watched(await visitor(await browser(t)), node.url);
  assert.equal(await said(page, bulb), "none");
  await node.kill();
  await page.waitForSelector("body.stimulus-reflex-disconnected", { state: "attached" });
  for (const button of [bulb, wave]) {
    for (const times of [1, 2]) {
      await page.locator(button).click();
      await untilEqual("it shakes", () => shakes(page, button), times);
    }
    assert.match(await said(page, button), /^"Not connected/);
  }
  assert.equal(await isOn(page), false);
});

test("who wants less motion is told without it", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const page = await watched(await visitor(await browser(t), { reducedMotion: "reduce" }), node.url);
  await node.kill();
  await page.waitForSelector("body.stimulus-reflex-disconnected", { state: "attached" });
  await page.locator(bulb).click();
  assert.match(await said(page, bulb), /^"Not connected/);
  assert.equal(await page.locator(bulb).evaluate((button) => button.getAnimations({ subtree: true }).length), 0);
});

test("a page without scripts says that a click can't leave it", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const page = await tab(await visitor(await browser(t), { javaScriptEnabled: false }), node.url, { live: false });
  await page.locator(bulb).click();
  assert.match(await said(page, bulb), /^"Scripts are off/);
});
