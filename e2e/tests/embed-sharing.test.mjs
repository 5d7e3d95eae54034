// What visitors of an embedding page share: names, cursors and reactions, between two regions and two browsers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, open, visitor } from "../lib/browser.mjs";
import { mesh } from "../lib/node.mjs";
import { embedding, shop, shown, untilShown } from "../lib/shop.mjs";
import { run } from "../lib/stock.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const soon = { within: 15_000 };

/** A shop whose pages `/ams` and `/iad` embed the node of that region; `enter(region, options)` is a new person's page there. */
async function twoRegions(t, element, scripts = []) {
  const site = await shop(t);
  const nodes = await mesh(t, ["ams", "iad"], (region) => ({ args: site.site, host: `${region}.localhost` }));
  const browsers = await Promise.all([browser(t), browser(t)]);
  const enter = async (place, { path = `/${place}`, inner = element, context = {} } = {}) => {
    const node = nodes[place];
    const head = scripts.map((name) => `<script type="module" src="${node.url}/${name}.js"></script>`).join("");
    const url = site.put(path, embedding(node, { element: inner, head: `<link rel="canonical" href="${site.origin}/lamp">${head}` }));
    return open(await visitor(browsers[place], context), url);
  };
  return { site, nodes, enter };
}

const token = (site, user, info) => run("sign", "lamp", "--site", site.origin, "--user", user, "--info", JSON.stringify(info));

test("show=people names those whose site has signed who they are, and counts the others", { timeout: 180_000 }, async (t) => {
  const { site, enter } = await twoRegions(t, '<live-presence show="people"></live-presence>');
  const picture = site.put("/ann.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', { "content-type": "image/svg+xml" });
  const signed = async (user, info) => `<live-presence show="people" token="${await token(site, user, info)}"></live-presence>`;
  const stranger = await enter(0, { path: "/stranger" });
  await untilShown(stranger, "1 person");
  const ann = await enter(1, { path: "/of-ann", inner: await signed("1", { name: "Ann", avatar: picture, mail: "ann@shop.example" }) });
  for (const page of [stranger, ann]) await untilShown(page, "Ann and 1 other");
  const bo = await enter(0, { path: "/of-bo", inner: await signed("2", { name: "<b>Bo</b>" }) });
  const names = ["Ann", "<b>Bo</b>"];
  const either = (ends) => [`${names.join(", ")} and ${ends}`, `${names.toReversed().join(", ")} and ${ends}`];
  for (const page of [stranger, ann, bo]) await until("two are named", async () => either("1 other").includes((await shown(page))[0]), soon);
  const others = await Promise.all([enter(1, { path: "/another" }), enter(0, { path: "/one-more", context: { locale: "de-DE" } })]);
  await until("the others are counted", async () => either("3 others").includes((await shown(ann))[0]), soon);
  // Nothing but the name and the picture leaves the site's token.
  const told = await stranger.evaluate(async () => {
    const { rooms } = await import(document.querySelector("script[type=module][src$='/presence.js']").src);
    return Object.values([...rooms.values()][0].shared.person);
  });
  assert.deepEqual(told.toSorted((one, other) => (one.name < other.name ? -1 : 1)), [{ name: "<b>Bo</b>" }, { avatar: picture, name: "Ann" }]);
  const drawn = await stranger.locator("live-presence").evaluate((element) => [...element.shadowRoot.querySelectorAll("img")].map((image) => [image.getAttribute("part"), image.alt, image.src]));
  assert.deepEqual(drawn, [["avatar", "", picture]]);
  await ann.close();
  await untilShown(stranger, "<b>Bo</b> and 3 others");
  for (const page of [stranger, bo, ...others]) assert.deepEqual(page.complaints, []);
});

test("a visitor can't say to be somebody, and names leave no page that shows none", { timeout: 180_000 }, async (t) => {
  const { site, enter } = await twoRegions(t, '<live-presence show="people"></live-presence>');
  const watcher = await enter(0, { path: "/watcher" });
  const quiet = await enter(1, { path: "/quiet", inner: `<live-presence token="${await token(site, "1", { name: "Ann" })}"></live-presence>` });
  await untilShown(watcher, "2 people");
  const refused = await watcher.evaluate(async () => {
    const { share } = await import(document.querySelector("script[type=module][src$='/presence.js']").src);
    const { send } = WebSocket.prototype;
    const answer = new Promise((resolve) => {
      WebSocket.prototype.send = function (text) {
        this.addEventListener("message", ({ data }) => JSON.parse(data).type === "error" && resolve(JSON.parse(data)));
        return send.call(this, text);
      };
    });
    share(document.querySelector("live-presence").room, "person", { name: "The shop" });
    return answer;
  });
  assert.equal(refused.status, 400);
  await untilShown(watcher, "2 people");
  assert.deepEqual(quiet.complaints, []);
});

test("cursors follow the others' pointers, in windows of any size, and go with them", { timeout: 180_000 }, async (t) => {
  const board = '<div id="board" style="position:absolute;left:10%;top:60px;width:80%;height:300px"></div><live-cursors for="board"></live-cursors>';
  const { enter } = await twoRegions(t, board, ["live-cursors"]);
  const [one, other] = await Promise.all([enter(0, { context: { viewport: { width: 1_000, height: 600 } } }), enter(1, { context: { viewport: { width: 500, height: 600 } } })]);
  const cursors = (page) => page.locator("live-cursors").evaluate((element) => {
    const board = document.querySelector("#board").getBoundingClientRect();
    return [...element.shadowRoot.querySelectorAll("[part=cursor]")].map((cursor) => {
      const { left, top } = cursor.getBoundingClientRect();
      return [(left - board.left) / board.width, (top - board.top) / board.height].map((part) => part.toFixed(2));
    });
  });
  const point = async (page, x, y) => {
    const { x: left, y: top, width, height } = await page.locator("#board").boundingBox();
    await page.mouse.move(left + x * width, top + y * height);
  };
  // The first move may come before the socket is open: a hand moves on.
  await until("the first cursor", async () => {
    await point(one, 0.2, 0.5 + Math.random() / 10);
    return (await cursors(other)).length === 1;
  }, soon);
  await point(one, 0.25, 0.5);
  await untilEqual("the place in the board", () => cursors(other), [["0.25", "0.50"]], soon);
  assert.deepEqual(await cursors(one), [], "one's own pointer is not drawn");
  await point(other, 0.75, 0.1);
  await untilEqual("and back", () => cursors(one), [["0.75", "0.10"]], soon);
  await one.evaluate(() => window.scrollTo(0, 0));
  await one.setViewportSize({ width: 700, height: 600 });
  await untilEqual("the window has another size", () => cursors(one), [["0.75", "0.10"]], soon);
  await other.mouse.move(1, 1);
  await untilEqual("a pointer that leaves the board", () => cursors(one), [], soon);
  await point(other, 0.5, 0.5);
  await untilEqual("comes back", () => cursors(one), [["0.50", "0.50"]], soon);
  await other.close();
  await untilEqual("and goes with its page", () => cursors(one), [], soon);
  assert.deepEqual(one.complaints, []);
});

test("reactions rise on all pages once, and no page shows what is not one of its own", { timeout: 180_000 }, async (t) => {
  const { enter } = await twoRegions(t, '<live-reactions emojis="👏 🎉"></live-reactions>', ["live-reactions"]);
  const heard = (page) => page.evaluate(() => {
    window.heard = [];
    document.addEventListener("presence:reaction", ({ detail }) => window.heard.push(detail.emoji));
  });
  const [one, other] = await Promise.all([enter(0), enter(1)]);
  await Promise.all([heard(one), heard(other)]);
  const risen = (page) => page.evaluate(() => window.heard.join(""));
  const connected = (page) => until("it knows what others share", () => page.evaluate(async () => {
    const { rooms } = await import(document.querySelector("script[type=module][src$='/presence.js']").src);
    return [...rooms.values()].some(({ shared, you }) => shared && you);
  }), soon);
  await Promise.all([connected(one), connected(other)]);
  await one.locator("live-reactions button").first().click();
  for (const page of [one, other]) await untilEqual("it rises", () => risen(page), "👏", soon);
  await other.locator("live-reactions button").nth(1).click();
  for (const page of [one, other]) await untilEqual("and the answer", () => risen(page), "👏🎉", soon);
  await one.evaluate(async () => {
    const { share, pageRoom } = await import(document.querySelector("script[type=module][src$='/presence.js']").src);
    share(pageRoom(), "reaction", [7, "a text that no page has", "<b>"]);
    share(pageRoom(), "reaction", [8, "👏"]);
  });
  await untilEqual("only what the page has", () => risen(other), "👏🎉👏", soon);
  const late = await enter(1, { path: "/late" });
  await heard(late);
  await connected(late);
  await one.locator("live-reactions button").nth(1).click();
  await untilEqual("a later visitor sees what is new", () => risen(late), "🎉", soon);
  for (const page of [one, other, late]) assert.deepEqual(page.complaints, []);
});
