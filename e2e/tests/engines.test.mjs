// The same pages in Firefox and in WebKit: what stock clients and the element do there must not differ from Chromium.
import { test } from "node:test";
import { engines } from "../lib/engines.mjs";
import { Node } from "../lib/node.mjs";
import { embedding, people, shop, untilShown } from "../lib/shop.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const within = { within: 15_000 };
const live = (page) => until("the page is connected", () => page.evaluate(() => document.body.classList.contains("stimulus-reflex-connected")), within);
const isOn = (page) => page.evaluate(() => document.querySelector("#lightbulb").classList.contains("on"));

for (const name of ["firefox", "webkit"]) {
  test(`${name}: a click lights the bulb in Chromium, and the other way round; the page returns after its node was killed`, { timeout: 180_000 }, async (t) => {
    const node = await Node.start(t);
    const [page, chromium] = await Promise.all([engines[name].open(t, node.url), engines.chromium.open(t, node.url)]);
    await Promise.all([live(page), live(chromium)]);
    await page.click("#lightbulb");
    await until("Chromium sees it on", () => isOn(chromium));
    await chromium.click("#lightbulb");
    await until(`${name} sees it off`, async () => !(await isOn(page)));
    await node.kill("SIGKILL");
    await node.start();
    await until("both are connected again", async () => {
      const { users } = await node.counts("demo");
      return users === 2;
    }, { within: 30_000 });
    await chromium.click("#lightbulb");
    await until(`${name} sees it on`, () => isOn(page));
  });

  test(`${name}: the element shows a number, follows its room and its node, and leaves with its page`, { timeout: 180_000 }, async (t) => {
    const site = await shop(t);
    const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
    const page = await engines[name].open(t, site.put("/lamp", embedding(node)));
    const users = (room) => node.counts(`${site.host}/${room}`).then((counts) => counts.users);
    await untilShown(page, people(1));
    await page.evaluate(() => document.querySelector("live-presence").setAttribute("room", "/another"));
    await untilEqual("it is in the other room", () => users("another"), 1, within);
    await untilEqual("and left its own", () => users("lamp"), 0, within);
    await node.kill("SIGKILL");
    await node.start();
    await untilEqual("it returns", () => users("another"), 1, { within: 30_000 });
    // Without the Navigation API, too, and with an `offline` whose connection has not ended.
    const room = () => page.evaluate(() => document.querySelector("live-presence").room);
    await page.evaluate(() => {
      document.querySelector("live-presence").room = null;
      history.pushState(0, "", "/route");
      dispatchEvent(new Event("offline"));
      dispatchEvent(new Event("online"));
    });
    await untilEqual("it follows the address", () => users("route"), 1, within);
    await page.evaluate(() => document.head.insertAdjacentHTML("beforeend", `<link rel="canonical" href="/late">`));
    await untilEqual("it follows a late canonical link", () => users("late"), 1, within);
    await untilEqual("and names it", room, `${site.host}/late`);
    await node.kill("SIGKILL");
    await page.evaluate(() => document.body.append(document.createElement("live-presence")));
    await node.start();
    const began = Date.now();
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await untilShown(page, [people(1), people(1)]);
    t.diagnostic(`back ${Date.now() - began} ms after online`);
    await page.goto(site.put("/empty", "<!doctype html><title>Empty</title>"));
    await untilEqual("it left", () => users("late"), 0, within);
  });
}
