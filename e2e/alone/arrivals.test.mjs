// Where a click has arrived, and when: in three regions, with the delays of an ocean between them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, tab, text, visitor } from "../lib/browser.mjs";
import { BareClient } from "../lib/client.mjs";
import { until } from "../lib/until.mjs";
import { world } from "../lib/world.mjs";

/**
 * How far the time between two regions' figures may be from the time between their sockets, of which each was sent the click: the
 * middle of some clicks. A wrong figure is wrong for all clicks; a busy machine delays those of a moment, so there are more.
 */
const CLICKS = 7;
const CLICKS_MAX = 28;
const OFF_MAX_MS = 15;
/** How far the time that light takes on the map may be from half of a round trip. */
const LIGHT_OFF_MAX_MS = 15;

/** When this client was sent the bulb for the first time since then, by the clock of this process. */
async function bulbSent(client, since) {
  const change = () => client.changes.find(({ id, at }) => id === "lightbulb" && at >= since);
  return (await until("the bulb is sent", change, { within: 5_000 })).at;
}

/** The figure on the card of a region: `{ words: "seen after", ms: 61 }`. */
async function arrival(page, region) {
  const found = (await text(page, `#${region}_arrival`)).match(/^(seen after|there after) <?(\d+) ms$/);
  if (!found) throw new Error(`nothing on the card of ${region} yet`);
  return { words: found[1], ms: Number(found[2]) };
}

/** What a card without a click shows. */
const NONE = "none";

/** The clicks that the cards show. */
async function newest(page) {
  const ids = await page.locator(".card .arrival").evaluateAll((all, none) => all.map((arrival) => arrival.firstElementChild?.id.split("_").at(-1) ?? none), NONE);
  return [...new Set(ids)];
}

const middle = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

test("a click's arrival is shown in all regions with its time, and light that takes as long", { timeout: 180_000 }, async (t) => {
  const running = await world(t);
  const chromium = await browser(t);
  const [ams, iad, maa] = await Promise.all(["ams", "iad", "maa"].map(async (region) => tab(await visitor(chromium), running.node(region).url)));
  const others = { iad, maa };
  // Browsers on a busy machine show a page some time after it was sent. These sockets share one clock, and one delay of their own.
  const sockets = Object.fromEntries(await Promise.all(["ams", "iad", "maa"].map(async (region) => [region, await BareClient.join(t, running.node(region))])));
  const known = async () => {
    const { regions } = JSON.parse((await running.node("ams").get("/api/v1/mesh")).body);
    return Object.fromEntries(regions.map(({ region, round_trip_ms: ms }) => [region, ms]));
  };
  await until("all round trips are known, also to the page", async () => {
    const trips = await known();
    const shown = (await ams.locator("#distances tr").count()) === 5;
    return shown && ["iad", "lhr", "maa", "scl", "yyz"].every((region) => trips[region] > 0) && trips;
  }, { within: 20_000 });

  const off = { iad: [], maa: [] };
  let before = "";
  const isNear = (all) => all.length >= CLICKS && middle(all.slice(-CLICKS)) <= OFF_MAX_MS;
  for (let clicks = 1; !Object.values(off).every(isNear); clicks += 1) {
    assert.ok(clicks <= CLICKS_MAX, `after ${clicks - 1} clicks, iad is off by ${off.iad.join(", ")} ms, and maa by ${off.maa.join(", ")} ms`);
    const clicked = Date.now();
    await ams.locator("#lightbulb").evaluate((bulb) => bulb.click());
    const told = await until("the author knows of all regions", async () => {
      const [said, cards] = [await text(ams, "#own-click"), await newest(ams)];
      // Cards are emptied by a new click, a moment before the sentence about the last one is.
      if (cards.length !== 1 || [before, NONE].includes(cards[0])) throw new Error(`the cards show the clicks ${cards}`);
      if (!/^Your click was seen in 3 of 6 regions and is in 3 more where no one looks, the farthest after \d+ ms\.$/.test(said)) throw new Error(said);
      before = cards[0];
      return said;
    }, { within: 5_000 }).catch((error) => t.diagnostic(error.message));
    // A receipt is never sent again: one that a busy machine has lost leaves a click out.
    if (told === undefined) continue;
    const [own, sent] = [await arrival(ams, "ams"), await bulbSent(sockets.ams, clicked)];
    for (const [region, page] of Object.entries(others)) {
      const shown = await until("the card shows it", () => arrival(ams, region), { within: 2_000 }).catch((error) => t.diagnostic(error.message));
      if (shown === undefined) break;
      assert.equal(shown.words, "seen after");
      const theirs = await until("the others are told the same", async () => {
        const [said, card] = [await text(page, "#arrivals"), await arrival(page, region)];
        return said.endsWith(told.replace("Your click ", "")) && card.ms === shown.ms && said;
      }, { within: 5_000 }).catch((error) => t.diagnostic(error.message));
      // The same goes for what the others are told of it.
      if (theirs === undefined) break;
      off[region].push(Math.abs(shown.ms - own.ms - ((await bulbSent(sockets[region], clicked)) - sent)));
      assert.match(theirs, /^The newest click, from Amsterdam, Netherlands, was seen in /);
    }
    assert.equal((await arrival(ams, "scl")).words, "there after");
  }
  for (const [region, all] of Object.entries(off)) t.diagnostic(`${region}: off by ${all.join(", ")} ms`);

  // Light is on its way before a region has answered, for as long as it really takes. What was measured while the nodes started is
  // replaced bit by bit.
  let last = {};
  const steady = await until("the round trips are steady", async () => {
    const [now, before] = [await known(), last];
    last = now;
    return Object.entries(now).every(([region, ms]) => region === "ams" || Math.abs(ms - before[region]) <= 5) && now;
  }, { every: 1_000, within: 60_000 });
  await ams.locator("[data-reflex='click->Hi#say_hi']").evaluate((button) => button.click());
  const rays = await until("five rays", async () => {
    const rays = await ams.locator("#rays .trail").evaluateAll((all) => all.map((ray) => [ray.id.split("-")[2], Number(ray.getAttribute("pathLength"))]));
    return rays.length === 5 && Object.fromEntries(rays);
  }, { every: 5 });
  const now = await known();
  for (const [region, ms] of Object.entries(rays)) {
    const far = [steady[region], now[region]];
    assert.ok(far.some((trip) => Math.abs(ms - trip / 2) <= LIGHT_OFF_MAX_MS), `light takes ${ms} ms to ${region}, which is ${far.join(" or ")} ms away and back`);
  }
  await until("and its author knows", async () => /^Your hi was seen in 3 of 6 regions/.test(await text(ams, "#own-hi")));
  assert.equal(await text(iad, "#own-hi"), "");
});
