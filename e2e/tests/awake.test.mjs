// Pages of the stock client in a hidden tab, after sleep, and on another network: client/awake.js.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, connected, tab, visitor } from "../lib/browser.mjs";
import { Node } from "../lib/node.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { untilEqual } from "../lib/until.mjs";

/** A page of a node behind a proxy, prepared by `before` (a function that runs in the page first); `sockets()` counts those that it opened. */
async function pageBehindProxy(t, before) {
  const node = await Node.start(t);
  const proxy = await tcpProxy(t, () => node.port);
  const context = await visitor(await browser(t));
  await context.addInitScript(before);
  const page = await tab(context, `http://localhost:${proxy.port}`);
  let opened = 1;
  page.on("websocket", () => (opened += 1));
  return { node, proxy, context, page, sockets: () => opened };
}

const hide = (page, hidden) => page.evaluate((hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}, hidden);

test("a tab whose chained timers wait for a minute is back at once after a cut", { timeout: 180_000 }, async (t) => {
  const { proxy, page } = await pageBehindProxy(t, () => {
    // What browsers do to tabs that have been hidden for five minutes: a timer that a timer has set waits.
    const set = window.setTimeout.bind(window);
    let inTimer = false;
    window.setTimeout = (run, ms, ...args) => set(() => {
      inTimer = true;
      try {
        run(...args);
      } finally {
        inTimer = false;
      }
    }, inTimer ? ms + 60_000 : ms);
  });
  proxy.cutAll();
  await page.waitForSelector("body:not(.stimulus-reflex-connected)", { state: "attached" });
  // The stock client's first timer is due after six seconds or more, and the next ones after a minute each.
  await connected(page, 5_000);
});

test("a page is on a new socket at once after a sleep and on another network", { timeout: 180_000 }, async (t) => {
  const { page, context, sockets } = await pageBehindProxy(t, () => {
    let slept = 0;
    const [now, time] = [Date.now, Date.prototype.getTime];
    Date.now = () => now() + slept;
    Date.prototype.getTime = function () {
      return time.call(this) + (Math.abs(time.call(this) - now()) < 1_000 ? slept : 0);
    };
    window.sleep = (ms) => (slept += ms);
  });
  const began = Date.now();
  await page.evaluate(() => window.sleep(60_000));
  await untilEqual("a new socket after a sleep", sockets, 2, { within: 5_000 });
  await connected(page);
  await page.evaluate(() => window.sleep(-60_000));
  await untilEqual("a new socket after the clock was set back", sockets, 3, { within: 5_000 });
  await connected(page);
  await context.setOffline(true);
  await context.setOffline(false);
  await untilEqual("a new socket on another network", sockets, 4, { within: 5_000 });
  await connected(page);
  t.diagnostic(`three times in ${Date.now() - began} ms`);
});

test("a hidden page is present, but not looking, also on its next socket", { timeout: 180_000 }, async (t) => {
  const { node, proxy, page } = await pageBehindProxy(t, () => {});
  const looking = async () => {
    const { users, looking } = await node.room("demo");
    return [users, looking];
  };
  await untilEqual("it looks", looking, [1, 1]);
  await hide(page, true);
  await untilEqual("it is hidden", looking, [1, 0]);
  proxy.cutAll();
  await page.waitForSelector("body:not(.stimulus-reflex-connected)", { state: "attached" });
  await connected(page);
  await untilEqual("it is still hidden", looking, [1, 0]);
  await hide(page, false);
  await untilEqual("it is shown again", looking, [1, 1]);
  assert.deepEqual(page.complaints.filter((text) => !text.includes("WebSocket")), []);
});
