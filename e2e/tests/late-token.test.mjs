// A page that fetches its token when it is open already: its visitor becomes another user, and is never two.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, open, visitor } from "../lib/browser.mjs";
import { Node } from "../lib/node.mjs";
import { embedding, shop, untilShown } from "../lib/shop.mjs";
import { run } from "../lib/stock.mjs";

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
