// `@hotwired/turbo-rails`, unmodified, in Chromium: <turbo-cable-stream-source> in two regions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, tab, text, visitor } from "../lib/browser.mjs";
import { mesh } from "../lib/node.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { cable, publish, signed, site } from "../lib/stock.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const update = (html) => `<turbo-stream action="update" target="list"><template>${html}</template></turbo-stream>`;

test("pages follow a signed stream in both regions, through a cut, and ignore whispers", { timeout: 180_000 }, async (t) => {
  const shop = await site(t);
  const nodes = await mesh(t, ["ams", "iad"], { args: shop.args });
  const name = await signed("list/7");
  const chromium = await browser(t);
  const proxy = await tcpProxy(t, () => nodes[0].port);
  const head = (url) => `<meta name="action-cable-url" content="${url}">`;
  const body = (signedName) => `<p id="list">nothing</p>
    <turbo-cable-stream-source channel="Turbo::StreamsChannel" signed-stream-name="${signedName}" data-room-id="7"></turbo-cable-stream-source>`;
  const open = async (url, signedName = name) => tab(await visitor(chromium), shop.page(body(signedName), 'import "@hotwired/turbo-rails";', head(url)), { live: false });
  const pages = [await open(`ws://127.0.0.1:${proxy.port}/cable`), await open(`ws://127.0.0.1:${nodes[1].port}/cable`)];
  const connected = (page) => page.locator("turbo-cable-stream-source").evaluate((element) => element.hasAttribute("connected"));
  const everywhere = async (html) => {
    for (const page of pages) await untilEqual("it is shown", () => text(page, "#list"), html, { within: 10_000 });
  };
  for (const page of pages) await until("it listens", () => connected(page), { within: 15_000 });
  await publish(nodes[0], "list/7", update("<b>one</b>"));
  await everywhere("one");

  const whisperer = cable(t, nodes[1]).streamFromSigned(name);
  await whisperer.ensureSubscribed();
  await whisperer.whisper(update("whispered"));
  await publish(nodes[1], "list/7", update("two"));
  await everywhere("two");
  await until("a browser's words are not performed", async () => (await text(pages[0], "#list")) === "two");

  proxy.cutAll();
  await until("it is cut off", async () => !(await connected(pages[0])));
  await until("it is back", () => connected(pages[0]), { within: 30_000 });
  await publish(nodes[1], "list/7", update("three"));
  await everywhere("three");

  const stranger = await open(`ws://127.0.0.1:${nodes[1].port}/cable`, name.replace(/.$/, (last) => (last === "0" ? "1" : "0")));
  await publish(nodes[1], "list/7", update("four"));
  await everywhere("four");
  assert.equal(await text(stranger, "#list"), "nothing");
  assert.equal(await connected(stranger), false);
});

// The stock client asks again every 500 ms for what is not confirmed.
test("a page with 100 streams listens to all of them within moments, and shows a message of each", { timeout: 180_000 }, async (t) => {
  const COUNT = 100;
  const shop = await site(t);
  const [node] = await mesh(t, ["ams"], { args: shop.args });
  const names = await Promise.all(Array.from({ length: COUNT }, (_, number) => signed(`list/${number}`)));
  const sources = names.map((name, number) => `<p id="list-${number}"></p>
    <turbo-cable-stream-source channel="Turbo::StreamsChannel" signed-stream-name="${name}"></turbo-cable-stream-source>`);
  const clock = `<script>
    const connected = new Set();
    new MutationObserver((changes) => {
      for (const { target } of changes) if (target.hasAttribute("connected")) connected.add(target);
      window.connectedMs ??= connected.size === ${COUNT} ? performance.now() : undefined;
    }).observe(document, { subtree: true, attributeFilter: ["connected"] });
  </script>`;
  const head = `<meta name="action-cable-url" content="ws://127.0.0.1:${node.port}/cable">${clock}`;
  const page = await tab(await visitor(await browser(t)), shop.page(sources.join(""), 'import "@hotwired/turbo-rails";', head), { live: false });
  await until("all listen", () => page.evaluate(() => window.connectedMs !== undefined), { within: 30_000 });
  const took = await page.evaluate(() => window.connectedMs - performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd);
  t.diagnostic(`all ${COUNT} were confirmed ${Math.round(took)} ms after the page was there`);
  // Promised is 0.3 s on a quiet machine; at ten subscriptions a second it would be six.
  assert.ok(took < 3_000, `${took} ms`);
  for (let number = 0; number < COUNT; number++) {
    const html = `<turbo-stream action="update" target="list-${number}"><template>${number}</template></turbo-stream>`;
    await publish(node, `list/${number}`, html);
  }
  const shown = () => page.evaluate((count) => Array.from({ length: count }, (_, number) => document.getElementById(`list-${number}`).textContent).join(), COUNT);
  await untilEqual("each has its message", shown, Array.from({ length: COUNT }, (_, number) => number).join(), { within: 20_000 });
});
