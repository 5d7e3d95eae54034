// The three examples, each in two regions in real Chromiums, and each short.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { browser, tab, text, visitor } from "../lib/browser.mjs";
import { mesh } from "../lib/node.mjs";
import { root, target } from "../lib/paths.mjs";
import { pause, untilEqual } from "../lib/until.mjs";

const LINES_MAX = 79;

/** Two regions that run this example, and a browser. */
async function example(t, name) {
  const [ams, iad] = await mesh(t, ["ams", "iad"], { program: join(target, "release", name) });
  return { ams, iad, chromium: await browser(t) };
}

function shows(page, selector, expected) {
  return untilEqual(`${selector} says so`, () => text(page, selector), expected);
}

for (const name of ["shop", "poll", "cursors"]) {
  test(`${name} is one file of under 80 lines of Rust`, () => {
    const source = readFileSync(join(root, "examples", name, "src/main.rs"), "utf8");
    const lines = source.trimEnd().split("\n");
    assert.ok(lines.length <= LINES_MAX, `${lines.length} lines`);
    const building = readFileSync(join(root, "docs/building.md"), "utf8");
    assert.ok(building.split("\n").some((line) => line.startsWith(`| [\`${name}\`]`) && line.endsWith(`| ${lines.length} lines |`)), "docs/building.md says so");
    assert.doesNotMatch(source, /<\w+[ >][^'"]*<\//, "its HTML is in templates");
  });
}

test("the shop shows how many others look at a product, and how many baskets contain it", { timeout: 90_000 }, async (t) => {
  const { ams, iad, chromium } = await example(t, "shop");
  const [one, other] = [await visitor(chromium), await visitor(chromium)];
  const here = await tab(one, `${ams.url}/teapot`);
  await shows(here, "#looking", "Nobody else is looking at this");
  const there = await tab(other, `${iad.url}/teapot`);
  for (const page of [here, there]) await shows(page, "#looking", "1 other is looking at this");
  const elsewhere = await tab(await visitor(chromium), `${iad.url}/lamp`);
  await shows(elsewhere, "#looking", "Nobody else is looking at this");
  await shows(there, "#baskets", "Nobody has it in their basket");

  const second = await tab(one, `${ams.url}/teapot`);
  await here.getByRole("button", { name: "Put it into your basket" }).click();
  for (const page of [here, second]) await shows(page, "#basket", "✓ In your basket take it out");
  await shows(there, "#baskets", "1 has it in their basket");
  await shows(there, "#basket", "Put it into your basket");
  await there.locator("#basket button").click();
  await shows(here, "#baskets", "2 have it in their basket");
  await second.locator("#basket button").click();
  await shows(here, "#basket", "Put it into your basket");
  await shows(there, "#baskets", "1 has it in their basket");

  const reader = await visitor(chromium, { javaScriptEnabled: false });
  const first = await tab(reader, `${ams.url}/teapot`, { live: false });
  assert.deepEqual([await text(first, "#looking"), await text(first, "#baskets")], ["2 others are looking at this", "1 has it in their basket"]);
  assert.equal((await iad.get("/sofa")).status, 404);
  for (const page of [here, there, elsewhere, second]) assert.deepEqual(page.complaints, []);
});

test("a visitor who goes from the shop's list to a product leaves the list", { timeout: 90_000 }, async (t) => {
  const { ams, iad, chromium } = await example(t, "shop");
  const watching = await tab(await visitor(chromium), `${iad.url}/chair`);
  // StimulusReflex says that it is connected only where there is something to click.
  const page = await tab(await visitor(chromium), ams.url, { live: false });
  await untilEqual("one at the list", () => iad.counts("shop"), { users: 1, tabs: 1, unsure: 0 });
  await page.getByRole("link", { name: /Chair/ }).click();
  await shows(watching, "#looking", "1 other is looking at this");
  await untilEqual("the list is empty", () => iad.counts("shop"), { users: 0, tabs: 0, unsure: 0 }, { within: 15_000 });
  await page.goBack();
  await shows(watching, "#looking", "Nobody else is looking at this");
});

/** The votes as a page shows them. */
function result(page) {
  return page.locator("#result p:has(b)").evaluateAll((rows) => rows.map((row) => Number(row.querySelector("b").textContent)));
}

test("a vote moves the bars in both regions, and each visitor has one", { timeout: 90_000 }, async (t) => {
  const { ams, iad, chromium } = await example(t, "poll");
  const one = await visitor(chromium);
  const here = await tab(one, ams.url);
  const there = await tab(await visitor(chromium), iad.url);
  await shows(there, ".sum", "0 votes, 2 people are watching");
  await here.getByRole("button", { name: "Tea", exact: true }).click();
  for (const page of [here, there]) await untilEqual("one tea", () => result(page), [1, 0, 0, 0]);
  await there.getByRole("button", { name: "Coffee" }).click();
  for (const page of [here, there]) await untilEqual("one coffee", () => result(page), [1, 1, 0, 0]);
  await there.getByRole("button", { name: "Tea", exact: true }).click();
  for (const page of [here, there]) await untilEqual("the mind is changed", () => result(page), [2, 0, 0, 0]);
  await shows(here, ".sum", "2 votes, 2 people are watching");

  // The same person in the other region is the same voter, and sees what they chose before any script runs.
  const again = await tab(one, `http://ams.localhost:${iad.port}`);
  const chosen = (page) => page.locator("#ballot [aria-pressed=true]").allTextContents();
  assert.deepEqual(await chosen(again), ["Tea"]);
  await again.getByRole("button", { name: "Water" }).click();
  await untilEqual("one water", () => result(there), [1, 0, 1, 0]);
  for (const page of [here, again]) await untilEqual("all tabs know", () => chosen(page), ["Water"]);
  assert.deepEqual(await chosen(there), ["Tea"]);
  for (const page of [here, there, again]) assert.deepEqual(page.complaints, []);
});

/** Where the cursors of a page stand, in the field's own units. */
function cursors(page) {
  return page.locator("#cursors g").evaluateAll((all) => all.map((one) => one.getAttribute("transform").match(/\d+/g).map(Number)));
}

/** Moves the pointer of a page to a place on the field. */
async function point(page, x, y) {
  const box = await page.locator("#field").boundingBox();
  await page.mouse.move(box.x + (x / 1600) * box.width, box.y + (y / 900) * box.height);
}

function near(seen, x, y) {
  return seen.length === 1 && Math.abs(seen[0][0] - x) <= 4 && Math.abs(seen[0][1] - y) <= 4;
}

test("a pointer moves on the pages of the other region, stays at its last place, and is not kept", { timeout: 90_000 }, async (t) => {
  const { ams, iad, chromium } = await example(t, "cursors");
  const here = await tab(await visitor(chromium), ams.url);
  const there = await tab(await visitor(chromium), iad.url);
  await shows(there, "#cursors .here", "2 here");
  for (let step = 0; step <= 40; step += 1) {
    await point(here, 200 + step * 30, 300 + step * 10);
    await pause(20);
  }
  await untilEqual("it rests there", async () => near(await cursors(there), 1_400, 700), true);
  await point(here, 320, 90);
  for (const page of [here, there]) await untilEqual("the last place always arrives", async () => near(await cursors(page), 320, 90), true);
  const facts = (await iad.mesh()).facts_root;
  await point(here, 900, 400);
  await untilEqual("it moved", async () => near(await cursors(there), 900, 400), true);
  assert.equal((await iad.mesh()).facts_root, facts, "no fact was written");

  await here.mouse.move(2, 2);
  await untilEqual("a pointer outside the field has no cursor", () => cursors(there), []);
  await point(here, 900, 400);
  await untilEqual("and again", async () => near(await cursors(there), 900, 400), true);
  await here.close();
  await untilEqual("a visitor who left has none", () => cursors(there), [], { within: 10_000 });
  assert.deepEqual(there.complaints, []);
});
