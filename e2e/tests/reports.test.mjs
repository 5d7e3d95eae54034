// The pages for operators and owners of sites: their look in both themes on small and large screens, and that they stay current.
import assert from "node:assert/strict";
import { test } from "node:test";
import axe from "axe-core";
import { browser, tab, visitor } from "../lib/browser.mjs";
import { Node, apiKey } from "../lib/node.mjs";
import { embeddedPage } from "../lib/sockets.mjs";
import { until } from "../lib/until.mjs";

const shop = "https://shop.example";
const sizes = [[320, 640], [1440, 900]].map(([width, height]) => ({ width, height }));

test("the pages for operators and owners can be read by all, without a script, and stay current", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { mesh: true, args: ["--site", shop] });
  await embeddedPage(t, node, shop, "lamps/7");
  const chromium = await browser(t);
  const pages = ["/status", `/owner?site=${shop}`];
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of sizes) {
      const context = await visitor(chromium, { colorScheme, viewport, httpCredentials: { username: "any", password: apiKey } });
      for (const path of pages) {
        const page = await tab(context, `${node.url.replace(/\/$/, "")}${path}${path.includes("?") ? "&" : "?"}refresh=off`, { live: false });
        assert.equal(await page.locator("script").count(), 0);
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(", ")}`);
        assert.deepEqual(found, [], `${path} in ${colorScheme}, ${viewport.width} px`);
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(sideways <= 0, `${path}: ${sideways} px of sideways scroll at ${viewport.width} px`);
        assert.deepEqual(page.complaints, []);
      }
      await context.close();
    }
  }
  const page = await tab(await visitor(chromium), `${node.url.replace(/\/$/, "")}/status`, { live: false });
  await embeddedPage(t, node, shop, "lamps/8");
  await until("the open page shows the new room", async () => (await page.content().catch(() => "")).includes("shop.example/lamps/8"));
});
