// A page that fetches its token when it is open already: its visitor becomes another user, and is never two.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, open, visitor } from "../lib/browser.mjs";
import { Node } from "../lib/node.mjs";
import { embedding, people, shop, untilShown } from "../lib/shop.mjs";
import { run } from "../lib/stock.mjs";
import { always, until } from "../lib/until.mjs";

const element = '<live-presence room="/lamp" show="people"></live-presence>';

test("a visitor whose token comes late, is renewed or is taken away is one visitor all the time", { timeout: 180_000 }, async (t) => {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const url = site.put("/lamp", embedding(node, { element }));
  const enter = async () => open(await visitor(await browser(t)), url);
  const token = (user, name) => run("sign", "lamp", "--site", site.origin, "--user", user, "--info", JSON.stringify({ name }));
  const watcher = await enter();
  await untilShown(watcher, "1 person");
  const page = await enter();
  await untilShown(watcher, "2 people");
  await watcher.evaluate(() => {
    window.seen = [];
    document.addEventListener("presence:change", ({ detail }) => window.seen.push(detail.users));
  });
  const give = (token) => page.evaluate((token) => (document.querySelector("live-presence").token = token), token);
  const steps = [[await token("1", "Ann"), "Ann and 1 other"], [await token("1", "Anna"), "Anna and 1 other"], [await token("2", "Bo"), "Bo and 1 other"], [null, "2 people"]];
  for (const [given, shown] of steps) {
    await give(given);
    for (const each of [watcher, page]) await untilShown(each, shown);
    const seen = await watcher.evaluate(() => window.seen.splice(0));
    assert.deepEqual(seen.filter((users) => users > 2), [], `no one is counted twice: ${shown}`);
    if (shown.startsWith("Anna")) assert.deepEqual(seen.filter((users) => users < 2), [], "a renewed token is no leave");
  }
  for (const each of [watcher, page]) assert.deepEqual(each.complaints, []);
});

/** Keeps what the server sends to the pages of a context until `release` is called. `joins` are those that the pages have sent. */
async function withheld(context) {
  const [joins, answers, kept] = [[], [], []];
  let release = (socket, message) => kept.push(() => socket.send(message));
  await context.routeWebSocket(/\/presence$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((text) => {
      const message = JSON.parse(text);
      if (message.type === "join") joins.push(message);
      server.send(text);
    });
    server.onMessage((message) => {
      release(socket, message);
      answers.push(JSON.parse(message));
    });
  });
  return {
    joins, answers,
    release: () => {
      release = (socket, message) => socket.send(message);
      kept.splice(0).forEach((send) => send());
    },
  };
}

const late = {
  "a token that replaces none": { steps: (good) => [{ token: good }] },
  "a token that replaces none, beside an element without one": { elements: 2, steps: (good) => [{ token: good }] },
  "a token that replaces one of another room": { steps: (good, other) => [{ token: other }, { token: good }] },
  "a room that is left and entered again": { steps: (good) => [{ room: "/chair" }, { room: "/private/lamp", token: good }] },
};

for (const [name, { elements = 1, steps }] of Object.entries(late)) {
  test(`the refusal of a join that the page has replaced is not the page's: ${name}`, { timeout: 180_000 }, async (t) => {
    const site = await shop(t);
    const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
    const element = '<live-presence room="/private/lamp"></live-presence>'.repeat(elements);
    const context = await visitor(await browser(t));
    const { joins, answers, release } = await withheld(context);
    const page = await open(context, site.put("/lamp", embedding(node, { element })));
    await page.evaluate(() => {
      window.stale = [];
      document.addEventListener("presence:stale", ({ detail }) => window.stale.push(detail.detail));
    });
    const token = (room) => run("sign", room, "--site", site.origin, "--user", "1");
    await until("the page joins", () => joins.length > 0);
    for (const step of steps(await token("private/lamp"), await token("private/chair"))) {
      const before = joins.length;
      await page.evaluate((step) => Object.assign(document.querySelector("live-presence"), step), step);
      await until("the page joins again", () => joins.length > before);
    }
    await until("the first join is refused, and the last one answered", () => answers[1]?.status === 403 && answers.at(-1).users === 1);
    release();
    await untilShown(page, Array(elements).fill(people(1)));
    const stale = await page.evaluate(() => [document.querySelectorAll("[data-stale]").length, window.stale]);
    assert.deepEqual([stale, page.complaints], [[0, []], []]);
  });
}

test("a token that comes while an event stream without it is opening", { timeout: 180_000 }, async (t) => {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const context = await visitor(await browser(t));
  await context.routeWebSocket(/\/presence$/, (socket) => socket.close());
  let release;
  const shown = new Promise((resolve) => (release = resolve));
  const asked = context.waitForEvent("request", (request) => request.url().includes("/presence/events"));
  await context.route(/\/presence\/events\?/, async (route) => {
    if (!new URL(route.request().url()).searchParams.has("token")) await shown;
    // A stream that its page has closed can't be continued.
    await route.continue().catch(() => {});
  });
  const page = await open(context, site.put("/lamp", embedding(node, { element: '<live-presence room="/private/lamp"></live-presence>' })));
  await asked;
  const token = await run("sign", "private/lamp", "--site", site.origin);
  await page.evaluate((token) => (document.querySelector("live-presence").token = token), token);
  await untilShown(page, people(1));
  release();
  await always("it stays fresh", () => page.locator("live-presence[data-stale]").count().then((stale) => stale === 0), 2_000);
  assert.deepEqual(page.complaints.filter((text) => text.includes("<live-presence>")), []);
});
