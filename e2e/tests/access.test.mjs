// Accessibility: axe in all themes and sizes, an empty console, a CSP without reports, focus that stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import axe from "axe-core";
import { browser, isOn, tab, untilBulb, visitor } from "../lib/browser.mjs";
import { BareClient } from "../lib/client.mjs";
import { Node } from "../lib/node.mjs";
import { fastClicks } from "../lib/rooms.mjs";
import { until } from "../lib/until.mjs";

const themes = ["light", "dark"].flatMap((colorScheme) => ["none", "active"].map((forcedColors) => ({ colorScheme, forcedColors })));
const sizes = [[320, 640], [412, 915], [820, 1180], [1440, 900]].map(([width, height]) => ({ width, height }));

test("axe finds nothing in any theme and size", { timeout: 240_000 }, async (t) => {
  const node = await Node.start(t);
  const client = await BareClient.join(t, node, { draws: true });
  await client.toggle();
  await client.hi("teal");
  const chromium = await browser(t);
  for (const theme of themes) {
    for (const viewport of sizes) {
      const context = await visitor(chromium, { ...theme, viewport, reducedMotion: "reduce" });
      const page = await tab(context, node.url);
      await page.locator("details").evaluateAll((all) => all.forEach((one) => (one.open = true)));
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(", ")}`);
      assert.deepEqual(found, [], `${Object.values(theme)}, ${viewport.width} px`);
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(sideways <= 0, `${sideways} px of sideways scroll at ${viewport.width} px`);
      await context.close();
    }
  }
});

test("the console is empty and the policy reports nothing", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const context = await visitor(await browser(t));
  await context.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await tab(context, node.url);
  await page.locator("#lightbulb").click();
  await page.locator("[data-reflex='click->Hi#say_hi']").click();
  await until("the wall has it", async () => (await page.locator("#messages-body time").count()) === 1);
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
});

test("a focused button keeps the focus through a hundred updates", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: fastClicks });
  const page = await tab(await visitor(await browser(t)), node.url);
  const client = await BareClient.join(t, node, { draws: true });
  await page.evaluate(() => {
    globalThis.updates = 0;
    document.addEventListener("cable-ready:after-morph", (event) => (globalThis.updates += event.target.id === "lightbulb" ? 1 : 0));
  });
  await page.locator("#lightbulb").focus();
  for (let update = 1; update <= 100; update += 1) {
    await client.toggle(update % 2 === 0);
    await untilBulb(page, update % 2 === 1);
  }
  assert.ok((await page.evaluate(() => globalThis.updates)) >= 100, "every one was an update of the page");
  assert.equal(await page.evaluate(() => document.activeElement.id), "lightbulb");
  await page.keyboard.press("Enter");
  await until("and still works", () => isOn(page));
});

test("a page that is disconnected shows it", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const page = await tab(await visitor(await browser(t)), node.url);
  assert.equal(await page.locator(".offline").isVisible(), false);
  await node.kill();
  await page.waitForSelector("body.stimulus-reflex-disconnected", { state: "attached" });
  await until("it says that numbers may be old", async () => /may be old/.test(await page.locator("body").innerText()));
});
