// The element <live-presence>: its attributes, templates, events, and places in a page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { browser, open, visitor } from "../lib/browser.mjs";
import { Node } from "../lib/node.mjs";
import { root } from "../lib/paths.mjs";
import { embedding, people, shop, shown, untilShown } from "../lib/shop.mjs";
import { always, until, untilEqual } from "../lib/until.mjs";

/** A node, a site that it serves, and a browser's page there. */
async function pageWith(t, element, { head, around, context = {}, path = "/lamp" } = {}) {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const url = site.put(path, embedding(node, { element, head, around }));
  const chromium = await browser(t);
  const page = await open(await visitor(chromium, context), url);
  return { site, node, url, chromium, page, users: (name) => node.counts(`${site.host}/${name}`).then(({ users }) => users) };
}

test("many elements share one socket, and those of one room one subscription", { timeout: 180_000 }, async (t) => {
  const { page, users } = await pageWith(t, "", {
    around: (text) => `${text}<script>
      window.sent = [];
      const { send } = WebSocket.prototype;
      WebSocket.prototype.send = function (text) { window.sent.push(JSON.parse(text)); return send.call(this, text) };
      window.sockets = 0;
      WebSocket = class extends WebSocket { constructor(...all) { super(...all); window.sockets += 1 } };
    </script>
    <live-presence></live-presence>
    ${Array.from({ length: 20 }, (_, number) => `<live-presence room="/products/${number}"></live-presence>`).join("")}
    <live-presence room="/products/7"></live-presence>`,
  });
  await untilShown(page, Array.from({ length: 22 }, () => people(1)));
  assert.equal(await page.evaluate(() => window.sockets), 1);
  const joins = await page.evaluate(() => window.sent.filter(({ type }) => type === "join").map(({ room }) => room));
  assert.equal(joins.length, 21);
  assert.equal(new Set(joins).size, 21);
  assert.equal(await users("products/7"), 1);
});

test("an element may be inserted late, moved and removed", { timeout: 180_000 }, async (t) => {
  const { page, users } = await pageWith(t, "<p id=there></p>");
  await page.evaluate(() => {
    window.sent = [];
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) {
      window.sent.push(JSON.parse(text).type);
      return send.call(this, text);
    };
    window.element = document.createElement("live-presence");
    document.body.append(window.element);
  });
  await untilShown(page, people(1));
  await page.evaluate(() => document.querySelector("#there").append(window.element));
  await page.evaluate(() => document.body.prepend(window.element));
  await untilShown(page, people(1));
  assert.deepEqual(await page.evaluate(() => window.sent), ["hello", "join"], "moving is neither leaving nor joining");
  await page.evaluate(() => window.element.setAttribute("room", "/another"));
  await untilEqual("it is in the other room", () => users("another"), 1);
  await untilEqual("and left its own", () => users("lamp"), 0);
  await page.evaluate(() => window.element.remove());
  await untilEqual("removing it leaves the room", () => users("another"), 0);
});

test("two scripts, two addresses: one element, one count", { timeout: 180_000 }, async (t) => {
  const { page, node, users } = await pageWith(t, undefined);
  await untilShown(page, people(1));
  await page.addScriptTag({ type: "module", url: `${node.url}/presence.js?twice` });
  await page.evaluate(() => document.body.append(document.createElement("live-presence")));
  await untilShown(page, [people(1), people(1)]);
  assert.deepEqual([await users("lamp"), page.complaints], [1, []]);
});

test("the room is the canonical address, without scheme, query, fragment and slash at the end", { timeout: 180_000 }, async (t) => {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const context = await visitor(await browser(t));
  const canonical = `<link rel="canonical" href="${site.origin}/lamps/7/?colour=red#top">`;
  const one = await open(context, site.put("/one/", embedding(node, { head: canonical })));
  await untilShown(one, people(1));
  assert.equal(await node.counts(`${site.host}/lamps/7`).then(({ tabs }) => tabs), 1);
  const two = await open(context, `${site.put("/two/", embedding(node))}?page=2#part`);
  await untilShown(two, people(1));
  assert.equal(await node.counts(`${site.host}/two`).then(({ tabs }) => tabs), 1);
});

test("attributes and templates choose the number, the language and the threshold", { timeout: 180_000 }, async (t) => {
  const { page, chromium, url } = await pageWith(t, `
    <live-presence show="tabs"></live-presence>
    <live-presence show="regions"></live-presence>
    <live-presence show="looking"></live-presence>
    <live-presence lang="de"></live-presence>
    <div lang="pl"><live-presence></live-presence></div>
    <live-presence lang="no language"></live-presence>
    <live-presence hide-below="2"></live-presence>
    <live-presence><template><slot name="users"></slot>/<slot name="tabs"></slot>/<slot name="regions"></slot>/<slot name="none">-</slot></template></live-presence>
    <live-presence lang="ga"><template plural="one">duine</template><template><slot name="number"></slot> daoine</template></live-presence>`);
  await untilShown(page, ["1 open tab", "Toronto, Canada 1", people(1), "1 Person sieht sich das gerade an", "1 osoba to ogląda", people(1), "", "1/1/1/-", "duine"]);
  await open(await visitor(chromium), url);
  await untilShown(page, ["2 open tabs", "Toronto, Canada 2", people(2), "2 Personen sehen sich das gerade an", "2 osoby to oglądają", people(2), people(2), "2/2/1/-", "2 daoine"]);
  await page.evaluate(() => {
    const [tabs] = document.querySelectorAll("live-presence");
    tabs.removeAttribute("show");
    tabs.lang = "fr";
  });
  await untilEqual("attributes may change", () => shown(page).then(([first]) => first), "2 personnes regardent cette page");
  assert.deepEqual(page.complaints, []);
});

test("a paragraph around the element is hidden as the documents say, before the script has come and until the number is reached", { timeout: 180_000 }, async (t) => {
  const [, rule] = readFileSync(join(root, "docs/embedding.md"), "utf8").match(/To hide a paragraph around the element[^`]*`([^`]+)`/);
  const { page, chromium, url } = await pageWith(t, '<p id="around">Now: <live-presence hide-below="2"></live-presence></p>', {
    head: `<style>${rule}</style><script>
      window.visible = 0;
      const look = () => {
        // The parser may rest within the paragraph, before it comes to the element.
        const around = document.querySelector("live-presence") && document.querySelector("#around");
        window.visible += around?.checkVisibility() ?? 0;
      };
      const lookAtEachFrame = () => {
        look();
        requestAnimationFrame(lookAtEachFrame);
      };
      lookAtEachFrame();
      // On a busy machine there is a frame between this moment and the element's first drawing.
      customElements.whenDefined("live-presence").then(look);
    </script>`,
  });
  await untilEqual("the first number", () => page.evaluate(() => document.querySelector("live-presence").counts?.users), 1, { within: 15_000 });
  assert.equal(await page.evaluate(() => window.visible), 0, "it was never visible");
  await open(await visitor(chromium), url);
  await untilShown(page, people(2));
  assert.ok(await page.locator("#around").isVisible());
});

test("events hold the counts, and bubble", { timeout: 180_000 }, async (t) => {
  const { page, site } = await pageWith(t, undefined, {
    head: `<script>
      window.events = [];
      for (const name of ["presence:change", "presence:stale"]) {
        document.addEventListener(name, ({ type, target, detail }) => window.events.push({ type, element: target.localName, detail }));
      }
    </script>`,
  });
  await untilShown(page, people(1));
  const changed = await until("one who is here", () => page.evaluate(() => window.events.find(({ detail }) => detail.users === 1)));
  assert.equal(changed.type, "presence:change");
  assert.equal(changed.element, "live-presence");
  const { room, users, looking, tabs, unsure, unproven, stale, regions } = changed.detail;
  assert.deepEqual({ room, users, looking, tabs, unsure, unproven, stale }, { room: `${site.host}/lamp`, users: 1, looking: 1, tabs: 1, unsure: 0, unproven: 0, stale: false });
  assert.deepEqual(regions, [{ region: "yyz", name: "Toronto, Canada", users: 1, state: "live" }]);
  assert.deepEqual(await page.evaluate(() => document.querySelector("live-presence").counts.users), 1);
});

test("printed content stays until the numbers arrive, and nothing moves", { timeout: 180_000 }, async (t) => {
  const { page } = await pageWith(t, `<p>Now: <live-presence>${people(1)}</live-presence><b id="after">!</b></p><p><live-presence room="/other"></live-presence></p><p id="below">x</p>`, {
    head: `<script>
      window.places = new Set();
      const look = () => {
        const all = ["after", "below"].map((id) => document.getElementById(id)?.getBoundingClientRect());
        // An empty element keeps its line from the moment at which the script is there.
        if (all[1] && customElements.get("live-presence")) window.places.add(JSON.stringify(all.map(({ x, y }) => [x, y])));
        requestAnimationFrame(look);
      };
      look();
    </script>`,
  });
  await untilShown(page, [people(1), people(1)]);
  assert.equal(await page.evaluate(() => document.querySelector("live-presence").hasAttribute("data-printed")), true);
  assert.equal((await page.evaluate(() => [...window.places])).length, 1);
});

test("nothing that comes from a server or an attribute becomes markup", { timeout: 180_000 }, async (t) => {
  const hostile = "<img src=x onerror=alert(1)>";
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const url = site.put("/lamp", embedding(node, { element: `<live-presence room="&lt;b>x&lt;/b>"></live-presence><live-presence show="regions" room="/regions"></live-presence>` }));
  const context = await visitor(await browser(t));
  // A compromised server may send anything.
  await context.routeWebSocket(/\/presence$/, (socket) => socket.onMessage((text) => {
    const message = JSON.parse(text);
    if (message.type === "hello") socket.send(JSON.stringify({ type: "welcome", id: hostile, identity: hostile }));
    if (message.type === "join") {
      socket.send(JSON.stringify({ type: "counts", room: message.room, users: hostile, looking: hostile, tabs: hostile, unsure: 0, unproven: 0, regions: [{ region: hostile, users: hostile, state: hostile }], stale: false }));
    }
  }));
  const page = await open(context, url);
  await until("it shows something", async () => (await shown(page)).every(Boolean));
  const elements = await page.evaluate(() => [...document.querySelectorAll("live-presence")].flatMap((element) => [...element.shadowRoot.querySelectorAll("*")].map(({ localName }) => localName)));
  assert.deepEqual([...new Set(elements)], ["span"]);
  assert.match((await shown(page))[1], /<img src=x onerror=alert\(1\)>/);
});

test("a room whose name is markup is a room like any other", { timeout: 180_000 }, async (t) => {
  const { page, users } = await pageWith(t, `<live-presence room="&lt;b onclick='x'>&quot;&amp;"></live-presence>`);
  await untilShown(page, people(1));
  assert.equal(await users(`<b onclick='x'>"&`), 1);
});

test("a page that is only prerendered is not counted", { timeout: 180_000 }, async (t) => {
  const { page, users } = await pageWith(t, "<p id=there></p>", {
    head: `<script>
      Object.defineProperty(document, "prerendering", { configurable: true, get: () => !window.activated });
    </script>`,
  });
  await page.evaluate(() => document.body.append(document.createElement("live-presence")));
  await always("the room is empty", async () => (await users("lamp")) === 0, 1_000);
  await page.evaluate(() => {
    window.activated = true;
    document.dispatchEvent(new Event("prerenderingchange"));
  });
  await untilShown(page, people(1));
});
