// The examples, each in two regions in real Chromiums, and each short.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { browser, connected, tab, text, visitor } from "../lib/browser.mjs";
import { mesh } from "../lib/node.mjs";
import { root, target } from "../lib/paths.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";
import { receiver, telling } from "../lib/webhooks.mjs";

/** The most lines of Rust of each, without comments and blank ones. */
const LINES_MAX = { shop: 79, poll: 79, cursors: 79, auction: 119, board: 119, applause: 79 };

/** Two regions that run this example, and a browser. */
async function example(t, name, options = {}) {
  const [ams, iad] = await mesh(t, ["ams", "iad"], { program: join(target, "release", name), ...options });
  return { ams, iad, chromium: await browser(t) };
}

function shows(page, selector, expected) {
  return untilEqual(`${selector} says so`, () => text(page, selector), expected);
}

for (const [name, most] of Object.entries(LINES_MAX)) {
  test(`${name} is one file of at most ${most} lines of Rust`, () => {
    const source = readFileSync(join(root, "examples", name, "src/main.rs"), "utf8");
    const lines = source.split("\n").filter((line) => !/^\s*(\/\/.*)?$/.test(line));
    assert.ok(lines.length <= most, `${lines.length} lines`);
    const building = readFileSync(join(root, "docs/building.md"), "utf8");
    assert.ok(building.split("\n").some((line) => line.startsWith(`| [\`${name}\`]`) && line.endsWith(`| ${lines.length} lines |`)), "docs/building.md says so");
    assert.doesNotMatch(source, /<\w+[ >][^'"]*<\//, "its HTML is in templates");
  });
}

test("the shop shows how many others look at a product, and how many baskets contain it", { timeout: 180_000 }, async (t) => {
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

test("a visitor who goes from the shop's list to a product leaves the list", { timeout: 180_000 }, async (t) => {
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

test("a vote moves the bars in both regions, and each visitor has one", { timeout: 180_000 }, async (t) => {
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

test("a pointer moves on the pages of the other region, stays at its last place, and is not kept", { timeout: 180_000 }, async (t) => {
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

/** Writes into the form of a lot and sends it. */
async function bid(page, name, euros) {
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Your bid in euros").fill(euros);
  await page.getByRole("button", { name: "Place the bid" }).click();
}

test("a bid is seen in both regions, and one that is too low is refused on its own page, which keeps what was written", { timeout: 180_000 }, async (t) => {
  const { ams, iad, chromium } = await example(t, "auction");
  const here = await tab(await visitor(chromium), `${ams.url}/teapot`);
  const there = await tab(await visitor(chromium), `${iad.url}/teapot`);
  await here.evaluate(() => {
    window.refusals = [];
    document.addEventListener("stimulus-reflex:error", ({ detail }) => window.refusals.push(detail.payload));
  });
  for (const page of [here, there]) await shows(page, ".highest", "Bids from € 10");
  await bid(there, "Bob", "12");
  for (const page of [here, there]) await shows(page, ".highest", "€ 12 by Bob");
  const why = "The next bid is a whole number of euros, at least 13.";
  await bid(here, "Ann <i>", "12");
  await shows(here, "[data-presence-error]", why);
  assert.equal(await here.getByRole("alert").isVisible(), true);
  assert.deepEqual(await here.evaluate(() => window.refusals), [{ error: why, code: "refused" }]);
  const written = (page) => page.locator("form input").evaluateAll((fields) => fields.map((field) => field.value));
  assert.deepEqual(await written(here), ["Ann <i>", "12"], "what was written stays");
  assert.equal(await text(there, "[data-presence-error]"), "", "it concerns no one else");
  await here.getByLabel("Your bid in euros").fill("20");
  await bid(there, "Bob", "14");
  await shows(here, ".highest", "€ 14 by Bob");
  assert.deepEqual(await written(here), ["Ann <i>", "20"], "bids of others change nothing that is being written");
  await here.getByRole("button", { name: "Place the bid" }).click();
  for (const page of [here, there]) await shows(page, ".highest", "€ 20 by Ann <i>");
  await shows(here, "[data-presence-error]", "");
  assert.deepEqual(await here.locator("#live li").allTextContents(), ["€ 14 by Bob", "€ 12 by Bob"]);
  // StimulusReflex itself logs the refusal, as an object.
  assert.deepEqual([here.complaints, there.complaints], [["Object"], []]);
});

test("what a bidder sees of their own follows the bids of others, and the list shows all lots", { timeout: 180_000 }, async (t) => {
  const { ams, iad, chromium } = await example(t, "auction");
  const [ann, bob] = [await visitor(chromium), await visitor(chromium)];
  const list = await tab(await visitor(chromium), iad.url, { live: false });
  const first = list.locator("#live li").first();
  await untilEqual("the list is empty", () => first.textContent(), "Teapot, from € 10, 0 here");
  const own = [await tab(ann, `${ams.url}/teapot`), await tab(ann, `${ams.url}/teapot`)];
  const there = await tab(bob, `${iad.url}/teapot`);
  await untilEqual("two are there", () => first.textContent(), "Teapot, from € 10, 2 here");
  await bid(own[0], "Ann", "12");
  for (const page of own) await shows(page, "#standing", "You are winning.");
  await untilEqual("the list shows the bid", () => first.textContent(), "Teapot, now € 12, 2 here");
  await bid(there, "Bob", "13");
  for (const page of own) await shows(page, "#standing", "You are outbid.");
  await shows(there, "#standing", "You are winning.");
  await untilEqual("the list shows the bid", () => first.textContent(), "Teapot, now € 13, 2 here");
  await there.close();
  await untilEqual("one has left", () => first.textContent(), "Teapot, now € 13, 1 here");
  const reader = await tab(await visitor(chromium, { javaScriptEnabled: false }), ams.url, { live: false });
  assert.equal(await reader.locator("#live li").first().textContent(), "Teapot, now € 13, 1 here", "before any script runs");
  for (const page of [list, ...own]) assert.deepEqual(page.complaints, []);
});

/** The number that a countdown shows: a style draws it, so it is no text of the page. */
function countdown(page) {
  return page.locator(".left").evaluate((left) => Number(getComputedStyle(left).getPropertyValue("--left")));
}

test("a countdown runs without script, the lot is sold in both regions at one moment, and the site's server is told once", { timeout: 180_000 }, async (t) => {
  const { url, of } = await receiver(t);
  const { ams, iad, chromium } = await example(t, "auction", telling(url));
  const here = await tab(await visitor(chromium), `${ams.url}/lamp`);
  const there = await tab(await visitor(chromium), `${iad.url}/lamp`);
  await bid(here, "Ann", "40");
  const bidAt = Date.now();
  const left = () => 60 - (Date.now() - bidAt) / 1_000;
  const near = async (page) => Math.abs((await countdown(page)) - left()) < 3;
  for (const page of [here, there]) await shows(page, ".highest", "€ 40 by Ann");
  await untilEqual("ten seconds have passed", () => left() < 50, true, { within: 20_000 });
  const late = await tab(await visitor(chromium, { javaScriptEnabled: false }), `${iad.url}/lamp`, { live: false });
  for (const page of [here, there, late]) await until("the countdown is near", () => near(page));
  const sold = await Promise.all([here, there].map(async (page) => {
    await page.getByText("Sold for € 40 by Ann").waitFor({ timeout: 90_000 });
    return Date.now() - bidAt;
  }));
  for (const ms of sold) assert.ok(ms > 58_000 && ms < 64_000, `${sold} ms after the bid`);
  assert.ok(Math.abs(sold[0] - sold[1]) < 1_000, `${sold} ms`);
  await shows(here, "#standing", "It is yours.");
  // It is the one that sends. It may have sent this already, or be waiting for the second that a report must be true.
  await ams.kill();
  const before = of("report.sold").length;
  await bid(there, "Bob", "50");
  await shows(there, "[data-presence-error]", "This lot is sold.");
  await until("the other node tells the site's server", () => of("report.sold").length > before, { within: 20_000 });
  const [{ id, data }] = of("report.sold");
  assert.deepEqual(data, { room: "auction/lamp", value: [40, "Ann"] });
  await ams.start();
  await until("the first one sends it again", () => of("report.sold").length > before + 1, { within: 20_000 });
  assert.deepEqual([...new Set(of("report.sold").map((report) => report.id))], [id]);
});

/** Ann's page of the private lot on this node, once she has signed in there. */
async function privateLot(chromium, node) {
  const page = await tab(await visitor(chromium), `${node.url}/private/clock`, { live: false });
  assert.equal(page.url(), `${node.url}/login`);
  await page.getByLabel("Your name").fill("Ann");
  await page.getByRole("button", { name: "Sign in" }).click();
  await shows(page, "header", "Three Lots You are Ann");
  await page.getByRole("link", { name: "Clock" }).click();
  await connected(page);
  return page;
}

test("the private lot is for those who have signed in, on their own pages alone", { timeout: 180_000 }, async (t) => {
  const { ams, iad, chromium } = await example(t, "auction");
  const page = await privateLot(chromium, ams);
  await page.getByLabel("Your bid in euros").fill("500");
  await page.getByRole("button", { name: "Place the bid" }).click();
  await shows(page, ".highest", "€ 500 by Ann");

  // The same user with another browser, in the other region.
  const there = await privateLot(chromium, iad);
  await shows(there, ".highest", "€ 500 by Ann");
  await shows(there, ".here", "1 person is looking");

  // A copy of the page does not make its reader Ann.
  const copied = await page.locator("meta[name=presence-room]").getAttribute("content");
  const stranger = await tab(await visitor(chromium), ams.url, { live: false });
  const answer = await stranger.evaluate(async (name) => {
    const identifier = JSON.stringify({ channel: "CableReady::Stream", identifier: name });
    const socket = new WebSocket(`ws://${location.host}/cable`, "actioncable-v1-json");
    return new Promise((resolve) => {
      socket.onopen = () => socket.send(JSON.stringify({ command: "subscribe", identifier }));
      socket.onmessage = ({ data }) => /_subscription/.test(data) && resolve(JSON.parse(data).type);
    });
  }, copied);
  assert.equal(answer, "reject_subscription");
  for (const each of [page, there]) assert.deepEqual(each.complaints, []);
});

test("an address without a page is answered with a page that people can read", { timeout: 180_000 }, async (t) => {
  const { ams, chromium } = await example(t, "auction");
  const page = await (await visitor(chromium)).newPage();
  assert.equal((await page.goto(`${ams.url}/sofa`)).status(), 404);
  await page.getByRole("heading", { name: "Nothing is here" }).waitFor();
  await page.getByRole("link", { name: "Go to the first page" }).click();
  await page.getByRole("heading", { name: "Three lots" }).waitFor();
});

/** The texts of the cards of each column of a board. */
function cards(page) {
  return page.locator("#board section").evaluateAll((columns) => columns.map((column) => [...column.querySelectorAll("li span")].map((text) => text.textContent)));
}

test("cards are added, changed, moved and deleted in both regions, and a visitor who writes keeps the text", { timeout: 180_000 }, async (t) => {
  const { ams, iad, chromium } = await example(t, "board");
  const here = await tab(await visitor(chromium), ams.url);
  const there = await tab(await visitor(chromium), iad.url);
  const show = async (expected) => {
    for (const page of [here, there]) await untilEqual("the cards", () => cards(page), expected);
  };
  const field = (page) => page.getByLabel("Text of the card");
  const add = async (page, text) => {
    await field(page).fill(text);
    await page.getByRole("button", { name: "Add a card" }).click();
    await untilEqual("the form is empty again", () => field(page).inputValue(), "");
  };
  await add(here, "Buy tea");
  await show([["Buy tea"], [], []]);
  await add(there, "Boil <b>water</b>");
  await show([["Buy tea", "Boil <b>water</b>"], [], []]);
  const card = (page, number) => page.locator("#board li").nth(number);
  await card(there, 0).getByRole("button", { name: "Move to Doing" }).click();
  await show([["Boil <b>water</b>"], ["Buy tea"], []]);

  // One is writing while the other adds and moves.
  await card(here, 1).getByRole("button", { name: "Change the text" }).click();
  await untilEqual("the form has the card", () => field(here).inputValue(), "Buy tea");
  await field(here).fill("Buy green tea");
  await add(there, "Find a cup");
  await card(there, 2).getByRole("button", { name: "Move to Done" }).click();
  await untilEqual("the others are seen", () => cards(here), [["Boil <b>water</b>", "Find a cup"], [], ["Buy tea"]]);
  assert.equal(await field(here).inputValue(), "Buy green tea");
  await here.getByRole("button", { name: "Change the card" }).click();
  await show([["Boil <b>water</b>", "Find a cup"], [], ["Buy green tea"]]);
  await card(here, 0).getByRole("button", { name: "Delete" }).click();
  await show([["Find a cup"], [], ["Buy green tea"]]);
  const reader = await tab(await visitor(chromium, { javaScriptEnabled: false }), iad.url, { live: false });
  assert.deepEqual(await cards(reader), [["Find a cup"], [], ["Buy green tea"]]);
  for (const page of [here, there]) assert.deepEqual(page.complaints, []);
});
