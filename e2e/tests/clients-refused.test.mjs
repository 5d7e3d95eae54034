// Stock clients in Chromium, on pages of a site whose token they need: they refresh it, or stop.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, tab, visitor } from "../lib/browser.mjs";
import { Node } from "../lib/node.mjs";
import { run, site } from "../lib/stock.mjs";
import { always, until } from "../lib/until.mjs";

test("@anycable/web asks for a new token once; clients without one stop", { timeout: 180_000 }, async (t) => {
  const shop = await site(t);
  const node = await Node.start(t, { args: ["--site", shop.origin] });
  const url = `ws://127.0.0.1:${node.port}/cable`;
  const head = `<meta name="action-cable-url" content="${url}">`;
  const sign = (expires) => run("sign", "private/7", "--site", shop.origin, "--expires", expires);
  const [short, long] = [await sign("1s"), await sign("1h")];
  const person = await visitor(await browser(t));
  const sockets = new Map();
  person.on("page", (page) => {
    sockets.set(page, []);
    page.on("websocket", (socket) => sockets.get(page).push(socket));
  });
  const open = (script, body = "") => tab(person, shop.page(body, script, head), { live: false });

  const anycable = await open(`
    import { createCable } from "@anycable/web";
    window.asked = 0;
    window.open = async () => {
      const refresh = async (transport) => (window.asked += 1, transport.setToken(${JSON.stringify(long)}));
      window.cable = createCable("${url}", { auth: { token: ${JSON.stringify(short)} }, tokenRefresher: refresh, logLevel: "none" });
      const reason = await cable.connect().then(() => "connected", (error) => error.reason);
      if (reason === "connected") cable.disconnect();
      return reason;
    };`);
  await until("the token has expired", async () => (await anycable.evaluate(() => window.open())) === "token_expired", { within: 10_000 });
  await until("it goes on with the new one", () => anycable.evaluate(() => window.cable.state === "connected"));
  assert.equal(await anycable.evaluate(() => window.asked), 1);

  const rails = await open(`
    import { createConsumer } from "@rails/actioncable/src";
    window.consumer = createConsumer("${url}");
    consumer.subscriptions.create({ channel: "$pubsub", stream_name: "bench" }, { disconnected: ({ willAttemptReconnect }) => (window.ended = willAttemptReconnect) });`);
  const turbo = await open(`
    import { cable } from "@hotwired/turbo-rails";
    window.consumer = await cable.getConsumer();`, `<turbo-cable-stream-source channel="Turbo::StreamsChannel" signed-stream-name="any"></turbo-cable-stream-source>`);
  const stopped = (page) => page.evaluate(() => window.consumer && !window.consumer.connection.isActive() && !window.consumer.connection.monitor.isRunning());
  for (const page of [rails, turbo]) await until("it has stopped", () => stopped(page), { within: 10_000 });
  assert.equal(await rails.evaluate(() => window.ended), false, "its page is told that it will not try again");
  await always("they stay away", async () => [rails, turbo].every((page) => sockets.get(page).length === 1), 1_000);
});
