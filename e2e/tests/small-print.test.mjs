// Details of the page: names of edge and region, colours, the wall of nine, a single visitor.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, number, tab, text, visitor } from "../lib/browser.mjs";
import { BareClient } from "../lib/client.mjs";
import { Node } from "../lib/node.mjs";
import { read } from "../lib/page.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const fly = { FLY_REGION: "yyz", FLY_MACHINE_ID: "3d8d9014f7e389" };

test("the page names the edge region and the serving region", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--edge", "fly", "--trusted-proxy", "127.0.0.0/8"], env: fly });
  const page = async (headers) => read((await node.get("/", { headers })).body).document.body.textContent.replace(/\s+/g, " ");

  const ashburn = await page({ "fly-region": "iad" });
  assert.match(ashburn, /Ashburn, Virginia \(US\)/);
  assert.match(ashburn, /Toronto, Canada/);
  assert.match(await page({ "fly-region": "zzq" }), /\bzzq\b/i);
  const none = await page({});
  assert.doesNotMatch(none, /Ashburn/);
  assert.match(none, /Toronto, Canada/);
});

test("region and name come from Fly's environment", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { unnamed: true, env: fly });
  const { nodes } = await node.mesh();
  assert.equal(nodes[0].node, fly.FLY_MACHINE_ID);
  assert.equal(nodes[0].region, "yyz");
});

test("an edge header from an untrusted address is ignored", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--edge", "fly"], env: fly });
  const { body } = await node.get("/", { headers: { "fly-region": "iad" } });
  assert.doesNotMatch(read(body).document.body.textContent, /Ashburn/);
});

test("the colour is new at each load, and a foreign one is refused", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const pages = await Promise.all(Array.from({ length: 30 }, () => node.get("/")));
  const colours = new Set(pages.map(({ body }) => read(body).colour));
  assert.ok(colours.size >= 4, `only ${[...colours]}`);

  const client = await BareClient.join(t, node, { draws: true });
  await client.hi("evil\" onclick=\"alert(1)");
  await client.hi([...colours][0]);
  await until("two messages", () => read(client.document.toString()).messages.length === 2);
  const [good, foreign] = read(client.document.toString()).messages;
  assert.ok(good.html.includes([...colours][0]));
  assert.doesNotMatch(foreign.html, /evil|onclick/);
});

test("the wall keeps the newest nine, newest first, in UTC", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { region: "yyz" });
  const client = await BareClient.join(t, node, { draws: true });
  assert.doesNotMatch(client.text("#messages-body"), /Hi from/);
  const others = await Promise.all(Array.from({ length: 12 }, () => BareClient.join(t, node, { draws: true })));
  for (const other of others) await other.hi();
  const wanted = others.map((other) => other.own).reverse().slice(0, 9);
  await untilEqual("the newest nine", () => read(client.document.toString()).messages.map(({ user }) => user), wanted);
  const { messages } = read((await node.get("/")).body);
  assert.deepEqual(messages.map(({ user }) => user), wanted);
  for (const { at, text: said } of messages) {
    assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000);
    assert.match(said, /Hi from Toronto, Canada 👋/);
    assert.match(said, /UTC/);
    assert.ok(said.includes(at.slice(11, 16)), `${said} has the hour and minute of ${at}`);
  }
  assert.deepEqual(messages.map(({ at }) => at), messages.map(({ at }) => at).sort().reverse());
});

test("a single visitor is told to ping a friend, live", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const chromium = await browser(t);
  const page = await tab(await visitor(chromium), node.url);
  const alone = /ping a friend/i;
  await until("alone", async () => alone.test(await page.locator("body").innerText()));
  assert.equal(await number(page, "#headcount"), 1);
  const friend = await BareClient.join(t, node);
  await until("not alone", async () => !alone.test(await page.locator("body").innerText()));
  await untilEqual("two", () => number(page, "#headcount"), 2);
  await friend.close();
  await until("alone again", async () => alone.test(await page.locator("body").innerText()));
  assert.match(await text(page, "#you"), /^User #[0-9A-F]{8}$/);
});
