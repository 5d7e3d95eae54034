// <live-presence> through what happens to pages: lost networks, new addresses, morphs, and languages that change.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { browser, open, visitor } from "../lib/browser.mjs";
import { Node } from "../lib/node.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { embedding, people, shop, shown, untilShown } from "../lib/shop.mjs";
import { run } from "../lib/stock.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

async function pageWith(t, element, { head, headers, before, env, context = {} } = {}) {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost", env });
  const url = site.put("/lamp", embedding(node, { element, head }), headers?.(node));
  const chromium = await browser(t);
  const all = await visitor(chromium, context);
  await before?.(all, node);
  return { site, node, url, all, chromium, page: await open(all, url), users: (name) => node.counts(`${site.host}/${name}`).then(({ users }) => users) };
}

const fire = (page, ...events) => page.evaluate((names) => {
  for (const name of names) (name === "visibilitychange" ? document : window).dispatchEvent(new Event(name));
}, events);

test("a room that is asked for while the socket is opening is counted", { timeout: 180_000 }, async (t) => {
  const { page } = await pageWith(t, undefined, {
    before: (all) => all.addInitScript(() => {
      window.WebSocket = class extends WebSocket {
        #told = false;
        get readyState() {
          return this.#told ? super.readyState : WebSocket.CONNECTING;
        }
        set onopen(handler) {
          this.addEventListener("open", () => (window.tellOpen = () => handler((this.#told = true))));
        }
      };
    }),
  });
  await page.waitForFunction(() => window.tellOpen);
  await page.evaluate(() => {
    const [first, late] = [document.querySelector("live-presence"), document.createElement("live-presence")];
    first.room = "/changed";
    late.room = "/late";
    document.body.append(late);
    // After the elements have asked for their rooms.
    setTimeout(window.tellOpen);
  });
  await untilShown(page, [people(1), people(1)]);
});

test("a framework's properties are attributes, set before or after the script is there", { timeout: 180_000 }, async (t) => {
  const { page, site } = await pageWith(t, `<live-presence id="early"></live-presence>`, {
    head: `<script>addEventListener("readystatechange", () => Object.assign(document.querySelector("#early"), { room: "/early", show: "tabs" }), { capture: true, once: true })</script>`,
  });
  await untilShown(page, "1 open tab");
  const seen = await page.evaluate(() => {
    const element = document.querySelector("live-presence");
    const values = { room: "/x", token: "t", show: "tabs", hideBelow: 3, lang: "de" };
    const names = { hideBelow: "hide-below" };
    return Object.entries(values).map(([name, value]) => {
      element[name] = value;
      const set = [element[name], element.getAttribute(names[name] ?? name)];
      element[name] = undefined;
      return [...set, element.hasAttribute(names[name] ?? name)];
    });
  });
  assert.deepEqual(seen, [["/x", "/x", false], ["t", "t", false], ["tabs", "tabs", false], ["3", "3", false], ["de", "de", false]]);
  assert.equal(await page.evaluate(() => document.querySelector("live-presence").room), `${site.host}/lamp`);
});

test("cursors and reactions have properties, too, set before or after their scripts are there", { timeout: 180_000 }, async (t) => {
  const { page, node } = await pageWith(t, `<live-cursors id="early"></live-cursors><live-reactions></live-reactions>`);
  await page.evaluate(() => {
    Object.assign(document.querySelector("live-cursors"), { room: "/early", for: "board" });
    Object.assign(document.querySelector("live-reactions"), { room: "/early", emojis: "🐙" });
  });
  for (const name of ["live-cursors", "live-reactions"]) await page.addScriptTag({ type: "module", url: `${node.url}/${name}.js` });
  const buttons = () => page.locator("live-reactions").evaluate((element) => [...element.shadowRoot.querySelectorAll("button")].map((button) => button.textContent));
  await untilEqual("the buttons", buttons, ["🐙"]);
  const written = () => page.evaluate(() => ["live-cursors", "live-reactions"].map((name) => {
    const element = document.querySelector(name);
    return ["room", "token", "for", "emojis"].map((attribute) => [element[attribute], element.getAttribute(attribute)]);
  }));
  const nothing = [undefined, null];
  assert.deepEqual(await written(), [
    [["/early", "/early"], ["", null], ["board", "board"], nothing],
    [["/early", "/early"], ["", null], nothing, ["🐙", "🐙"]],
  ]);
  await page.evaluate(() => {
    Object.assign(document.querySelector("live-cursors"), { room: "/late", token: "t", for: null });
    Object.assign(document.querySelector("live-reactions"), { room: undefined, token: "t", emojis: "🍋 🐙" });
  });
  const [cursors, reactions] = await written();
  assert.deepEqual(cursors, [["/late", "/late"], ["t", "t"], ["", null], nothing]);
  assert.deepEqual(reactions.slice(1), [["t", "t"], nothing, ["🍋 🐙", "🍋 🐙"]]);
  await untilEqual("the new buttons", buttons, ["🍋", "🐙"]);
});

test("a token counts for all elements of its room, and one that is refused takes no number from those without", { timeout: 180_000 }, async (t) => {
  const { page, site, users } = await pageWith(t, `<live-presence room="/lamp"></live-presence><live-presence></live-presence>`);
  const token = (user, expires) => run("sign", "lamp", "--site", site.origin, "--user", user, "--expires", expires);
  await untilShown(page, [people(1), people(1)]);
  const give = (token) => page.evaluate((token) => (document.querySelector("live-presence").token = token), token);
  await give(await token("1", "1h"));
  await untilEqual("one visitor, whose name is known", () => page.evaluate(async () => {
    const { rooms } = await import(document.querySelector("script[type=module][src$='/presence.js']").src);
    return [...rooms.values()].map(({ token, counts }) => [Boolean(token), counts?.users]);
  }), [[true, 1], [true, 1]], { within: 15_000 });
  await untilEqual("no one is counted twice", () => users("lamp"), 1, { within: 15_000 });
  const [payload] = (await token("1", "1h")).split(".");
  await give(`${payload}.${"0".repeat(64)}`);
  await until("the console says why", () => page.complaints.some((text) => text.includes("<live-presence>: 403")), { within: 15_000 });
  await untilShown(page, [people(1), people(1)]);
  await untilEqual("still one visitor", () => users("lamp"), 1, { within: 15_000 });
});

test("in every state of the connection events and elements do no harm, and the page is back within a second of `online`", { timeout: 180_000 }, async (t) => {
  const { page, node, users } = await pageWith(t, undefined);
  const all = ["offline", "visibilitychange", "pageshow", "resume", "pagehide", "pageshow"];
  const disturb = async (name) => {
    await fire(page, ...all);
    await page.evaluate((room) => {
      const [added, removed] = [document.createElement("live-presence"), document.createElement("live-presence")];
      [added.room, removed.room] = [room, `${room}-gone`];
      document.body.append(added, removed);
      setTimeout(() => removed.remove(), 50);
    }, name);
    await fire(page, ...all);
  };
  await disturb("/opening");
  await untilShown(page, [people(1), people(1)]);
  await disturb("/open");
  await untilShown(page, [people(1), people(1), people(1)]);
  let tries = 0;
  page.on("websocket", () => (tries += 1));
  await node.kill();
  await page.waitForSelector("live-presence[data-stale]", { state: "attached" });
  await disturb("/waiting");
  const before = tries;
  await until("it has tried several times, and waits for seconds before it tries again", () => tries >= before + 4, { within: 30_000 });
  await node.start();
  const began = Date.now();
  await fire(page, "online");
  await untilEqual("the new element has a number, too", () => shown(page), [1, 1, 1, 1].map(people), { within: 10_000 });
  t.diagnostic(`back ${Date.now() - began} ms after online`);
  assert.ok(Date.now() - began < 1_000, `${Date.now() - began} ms`);
  assert.deepEqual([await users("waiting"), await users("waiting-gone")], [1, 0]);
  assert.deepEqual(page.complaints.filter((text) => /TypeError/.test(text)), []);
});

test("where a policy forbids the socket the stream starts at once", { timeout: 180_000 }, async (t) => {
  const { page } = await pageWith(t, undefined, {
    headers: (node) => ({ "content-security-policy": `script-src 'unsafe-inline' ${node.url}; connect-src ${node.url}/presence/events` }),
  });
  await untilShown(page, people(1));
  const streamed = await page.evaluate(() => performance.now());
  t.diagnostic(`the number was shown ${Math.round(streamed)} ms after the navigation`);
  assert.ok(streamed < 3_000, `${streamed} ms`);
});

for (const api of ["with", "without"]) {
  test(`the room follows address and canonical link, ${api} the Navigation API, and all that names it agrees`, { timeout: 180_000 }, async (t) => {
    const { page, site, node, users } = await pageWith(t, undefined, {
      head: api === "without" ? "<script>delete window.navigation; Object.defineProperty(window, 'navigation', { value: undefined })</script>" : "",
    });
    await untilShown(page, people(1));
    const elsewhere = await open(await visitor(await browser(t)), site.put("/full", embedding(node, { element: `<live-presence room="/b"></live-presence>` })));
    await untilShown(elsewhere, people(1));
    const seen = await page.evaluate(() => {
      const element = document.querySelector("live-presence");
      window.details = [];
      document.addEventListener("presence:change", ({ target, detail }) => window.details.push([detail.room, target.room]));
      history.pushState(0, "", "/b");
      return [element.room, element.shadowRoot.textContent.trim(), element.counts];
    });
    assert.deepEqual(seen, [`${site.host}/b`, "\u200b", undefined], "no number of the old room under the new name");
    await untilShown(page, people(2));
    await untilEqual("it left the room before", () => users("lamp"), 0);
    await page.evaluate(() => {
      document.head.insertAdjacentHTML("beforeend", `<link rel="canonical" href="/c">`);
    });
    await untilShown(page, people(1));
    await untilEqual("it is where the canonical link says", () => users("c"), 1);
    await page.evaluate(() => (document.querySelector("link[rel=canonical]").href = "https://other.example/d"));
    await untilShown(page, people(2));
    await page.evaluate(() => history.back());
    await untilEqual("and back", () => page.evaluate(() => document.querySelector("live-presence").room), `${site.host}/lamp`);
    await untilShown(page, people(1));
    const details = await page.evaluate(() => window.details);
    assert.ok(details.length >= 4 && details.every(([detail, room]) => detail === room), JSON.stringify(details));
  });
}

test("attributes that a morph removes come back, and nothing hidden is seen meanwhile", { timeout: 180_000 }, async (t) => {
  const { page, node } = await pageWith(t, `<live-presence hide-below="2"></live-presence><live-presence>7 people</live-presence>`);
  await page.waitForSelector("live-presence[data-below]", { state: "attached" });
  const strip = () => page.evaluate(() => [...document.querySelectorAll("live-presence")].map((element) => {
    for (const name of element.getAttributeNames()) if (name.startsWith("data-")) element.removeAttribute(name);
    const dot = element.shadowRoot.querySelector("[part=dot]");
    return [getComputedStyle(element).display, dot && getComputedStyle(dot).display];
  }));
  assert.deepEqual(await strip(), [["none", "inline-block"], ["inline", "none"]]);
  await page.waitForSelector("live-presence[data-below][data-identity]", { state: "attached" });
  await page.waitForSelector("live-presence[data-printed]");
  await node.kill();
  await page.waitForSelector("live-presence[data-stale]", { state: "attached" });
  await strip();
  await page.waitForSelector("live-presence[data-stale]", { state: "attached" });
});

test("others, names of regions, hidden pages, shadow roots and a changed language", { timeout: 180_000 }, async (t) => {
  const { page, chromium, url } = await pageWith(t, `<live-presence show="others"></live-presence><live-presence show="regions"></live-presence><live-presence show="users"></live-presence><live-presence></live-presence><div id="host"></div>`, {
    env: { GP_REGION_NAME: "Toronto \"T\"" },
  });
  await untilShown(page, ["0 others", "Toronto \"T\" 1", "1 person", people(1)]);
  const other = await open(await visitor(chromium), url);
  await untilShown(page, ["1 other", "Toronto \"T\" 2", "2 people", people(2)]);
  await other.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await untilShown(page, ["1 other", "Toronto \"T\" 2", "2 people", people(1)]);
  await page.evaluate(() => {
    document.querySelector("#host").attachShadow({ mode: "open" }).innerHTML = "<live-presence></live-presence>";
    document.documentElement.lang = "de";
  });
  const inner = () => page.evaluate(() => document.querySelector("#host").shadowRoot.querySelector("live-presence").shadowRoot.textContent);
  await untilEqual("the root's language", inner, "1 Person sieht sich das gerade an");
  await page.evaluate(() => (document.querySelector("#host").lang = "fr"));
  await untilEqual("the host's language", inner, "1 personne regarde cette page");
  await untilEqual("the page's language", async () => (await shown(page))[3], "1 Person sieht sich das gerade an");
});

test("a frame that the page has written is in the page's room", { timeout: 180_000 }, async (t) => {
  const { page, node, site } = await pageWith(t, `<iframe id="frame"></iframe>`);
  await page.evaluate((script) => {
    document.querySelector("#frame").srcdoc = `<script type="module" src="${script}"><\/script><live-presence></live-presence>`;
  }, `${node.url}/presence.js`);
  const room = () => page.frames()[1]?.evaluate(() => document.querySelector("live-presence")?.room);
  await untilEqual("the room", room, `${site.host}/lamp`, { within: 10_000 });
});

test("the console says once why nothing is shown", { timeout: 180_000 }, async (t) => {
  const { node, all } = await pageWith(t, undefined);
  const stranger = await shop(t, { host: "stranger.localhost" });
  const refused = await open(all, stranger.put("/lamp", embedding(node, { element: "<live-presence></live-presence><live-presence room='/b'></live-presence>" })));
  const warnings = (page) => page.complaints.filter((text) => text.includes("<live-presence>"));
  await until("a warning", () => warnings(refused).length > 0, { within: 15_000 });
  assert.deepEqual(warnings(refused), [`<live-presence>: 403 Pages of ${stranger.origin} may not embed this server. Start it with --site ${stranger.origin} to allow them.`]);
  await all.route("**/presence/events*", (route) => route.abort());
  await all.routeWebSocket(/\/presence$/, (socket) => socket.close());
  const cut = await open(all, stranger.put("/chair", embedding(node)));
  await until("another warning", () => warnings(cut).length > 0, { within: 15_000 });
  assert.match(warnings(cut)[0], /can't be reached\. Is it up/);
});

test("the console says once that a token has expired, and what to do, and a new one is tried at once", { timeout: 180_000 }, async (t) => {
  const { page, site } = await pageWith(t, "<live-presence></live-presence><live-presence></live-presence>");
  const key = await run("key", "--site", site.origin);
  const token = (room, exp) => {
    const payload = Buffer.from(JSON.stringify({ room, exp })).toString("base64url");
    return `${payload}.${createHmac("sha256", key).update(payload).digest("hex")}`;
  };
  const now = Math.floor(Date.now() / 1_000);
  const give = (tokens) => page.evaluate((given) => {
    const elements = document.querySelectorAll("live-presence");
    Object.entries(given).forEach(([room, token], place) => Object.assign(elements[place], { room, token }));
  }, tokens);
  await give({ "private/lamp": token("private/lamp", now - 60), "private/chair": token("private/chair", now - 60) });
  await untilEqual("both are refused", () => page.evaluate(() => document.querySelectorAll("live-presence[data-stale]").length), 2, { within: 15_000 });
  const warnings = () => page.complaints.filter((text) => text.includes("<live-presence>"));
  await until("a warning", () => warnings().length > 0);
  await give({ "private/lamp": token("private/lamp", now + 600), "private/chair": token("private/chair", now + 600) });
  await untilShown(page, [people(1), people(1)]);
  assert.deepEqual(warnings(), ["<live-presence>: 403 This token has expired: request a new one from the site."]);
});

test("a slow reload is no leave and no join, and closing a page is a leave after 2 s", { timeout: 180_000 }, async (t) => {
  const { page, node, site, all } = await pageWith(t, undefined);
  await untilShown(page, people(1));
  // Both the page and its socket are slow: the page's answer by a little, the script by more than the 2 s of a closed page.
  await all.route(/\/lamp$/, async (route) => {
    await pause(300);
    await route.continue();
  });
  await all.route(/presence\.js$/, async (route) => {
    await pause(4_000);
    await route.continue();
  });
  const counts = watchCounts(t, node, `${site.host}/lamp`);
  await page.reload();
  await untilShown(page, people(1));
  const navigated = page.waitForEvent("framenavigated");
  await page.evaluate(() => setTimeout(() => location.reload()));
  await navigated;
  await untilShown(page, people(1));
  assert.deepEqual([...new Set(counts.values().map(({ users }) => users))], [1]);
  const closed = Date.now();
  await page.close();
  await untilEqual("it left", () => node.counts(`${site.host}/lamp`).then(({ users }) => users), 0, { within: 15_000 });
  assert.ok(Date.now() - closed < 4_000, `${Date.now() - closed} ms`);
});
