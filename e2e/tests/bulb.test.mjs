// One node: a click in one real browser lights the bulb in another.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, isOn, tab, text, untilBulb, visitor } from "../lib/browser.mjs";
import { BareClient } from "../lib/client.mjs";
import { Node } from "../lib/node.mjs";
import { until } from "../lib/until.mjs";

test("a click in one browser lights the bulb in another", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { region: "yyz" });
  const [one, other] = await Promise.all([browser(t), browser(t)]);
  const clicker = await tab(await visitor(one), node.url);
  const watcher = await tab(await visitor(other), node.url);
  assert.equal(await isOn(watcher), false);
  assert.equal(await watcher.locator("#lightbulb").getAttribute("aria-pressed"), "false");

  await clicker.locator("#lightbulb").click();
  await untilBulb(watcher, true);
  assert.equal(await watcher.locator("#lightbulb").getAttribute("aria-pressed"), "true");
  await until("the label names who clicked", async () => /^Last clicked by: User #[0-9A-F]{8}\b/.test(await text(watcher, "#lightswitch-label")));
  assert.match(await text(watcher, "#lightswitch-label"), /Toronto/);

  await watcher.locator("#lightbulb").press("Enter");
  await untilBulb(clicker, false);
});

test("a click means the opposite of what its visitor saw", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const [one, other] = await Promise.all([BareClient.join(t, node, { draws: true }), BareClient.join(t, node, { draws: true })]);
  const answers = await Promise.all([one.toggle(false), other.toggle(false)]);
  for (const answer of answers) assert.equal(answer.name, "stimulus-reflex:morph-nothing");
  await until("both see it on", () => one.bulb && other.bulb);
  await one.reflex("Lightbulb#toggle");
  await until("a click without the seen value toggles the current one", () => !one.bulb && !other.bulb);
});

test("a reflex that does not exist is answered with an error", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const client = await BareClient.join(t, node);
  const answer = await client.reflex("Nothing#here");
  assert.equal(answer.name, "stimulus-reflex:morph-error");
});
