// `@anycable/web`, unmodified, in Chromium, on pages of another origin against two regions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, tab, visitor } from "../lib/browser.mjs";
import { mesh } from "../lib/node.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { publish, signed, site } from "../lib/stock.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const script = (url, name) => `
  import { createCable } from "@anycable/web";
  const cable = createCable(${JSON.stringify(url)}, { protocol: "actioncable-v1-ext-json", reconnectStrategy: () => 200 });
  const channel = cable.streamFromSigned(${JSON.stringify(name)});
  window.all = { messages: [], presence: [], infos: [], connects: [] };
  window.channel = channel;
  channel.on("message", (message) => all.messages.push(message));
  channel.on("presence", (event) => all.presence.push(event));
  channel.on("info", ({ type }) => all.infos.push(type));
  channel.on("connect", (how) => all.connects.push(how));`;

test("@anycable/web on another site's pages: messages, history after a cut, presence over regions, whispers", { timeout: 180_000 }, async (t) => {
  const shop = await site(t);
  const [ams, iad] = await mesh(t, ["ams", "iad"], { args: shop.args });
  const name = await signed("table/7");
  const chromium = await browser(t);
  const proxy = await tcpProxy(t, () => (proxy.closed ? undefined : ams.port));
  const open = async (url) => {
    const page = await tab(await visitor(chromium), shop.page("<p>A table</p>", script(url, name)), { live: false });
    const all = () => page.evaluate(() => window.all);
    await until("it is subscribed", async () => (await all())?.connects.length === 1, { within: 15_000 });
    return { page, all };
  };
  const ann = await open(`ws://127.0.0.1:${proxy.port}/cable`);
  const bob = await open(`ws://127.0.0.1:${iad.port}/cable`);

  await publish(iad, "table/7", { n: 1 });
  for (const { all } of [ann, bob]) await untilEqual("it is heard", async () => (await all()).messages, [{ n: 1 }]);
  await ann.page.evaluate(() => window.channel.presence.join("ann", { name: "Ann" }));
  await bob.page.evaluate(() => window.channel.presence.join("bob", { name: "Bob" }));
  const joined = ["ann", "bob"];
  for (const { all, page } of [ann, bob]) {
    await untilEqual("both are announced", async () => (await all()).presence.map(({ id }) => id).sort(), joined);
    assert.deepEqual(await page.evaluate(() => window.channel.presence.info()), { ann: { name: "Ann" }, bob: { name: "Bob" } });
  }
  await bob.page.evaluate(() => window.channel.whisper({ typing: true }));
  await until("the whisper is heard", async () => (await ann.all()).messages.at(-1)?.typing);

  proxy.closed = true;
  proxy.cutAll();
  await publish(ams, "table/7", { n: 2 });
  await publish(iad, "table/7", { n: 3 });
  proxy.closed = false;
  await until("she goes on where she was", async () => (await ann.all()).connects.at(-1).restored, { within: 15_000 });
  await untilEqual("with what she missed", async () => (await ann.all()).messages.filter(({ n }) => n).map(({ n }) => n), [1, 2, 3]);
  assert.deepEqual((await bob.all()).presence.filter(({ type }) => type === "leave"), [], "a cut is no leave");

  await ann.page.close();
  await until("a closed page leaves", async () => (await bob.all()).presence.some(({ type, id }) => type === "leave" && id === "ann"), { within: 10_000 });
  assert.deepEqual(bob.page.complaints, []);
});
