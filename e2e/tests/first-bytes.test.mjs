// The page before its scripts run, and identities where cookies are refused, late or cleared.
import assert from "node:assert/strict";
import { test } from "node:test";
import { blocking, browser, connected, number, tab, text, untilBulb, visitor } from "../lib/browser.mjs";
import { BareClient } from "../lib/client.mjs";
import { Node } from "../lib/node.mjs";
import { read } from "../lib/page.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { until, untilEqual } from "../lib/until.mjs";

test("without scripts the page shows true counts, bulb and messages", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { region: "yyz" });
  const one = await BareClient.join(t, node, { draws: true });
  await BareClient.join(t, node);
  await BareClient.join(t, node, { jar: one.jar });
  await one.toggle(false);
  await one.hi();
  await untilEqual("two users, three tabs", () => node.counts(), { users: 2, tabs: 3, unsure: 0 });

  const reader = await visitor(await browser(t), { javaScriptEnabled: false });
  const page = await tab(reader, node.url, { live: false });
  assert.equal(await number(page, "#yyz_usercount"), 2);
  assert.equal(await number(page, "#headcount"), 2);
  assert.match(await page.locator("#lightbulb").getAttribute("class"), /\bon\b/);
  assert.match(await text(page, "#lightswitch-label"), new RegExp(`^Last clicked by: User #${one.own}\\b.*Toronto`));
  assert.match(await text(page, "#messages-body"), new RegExp(`User #${one.own} Hi from Toronto, Canada 👋`));
  assert.deepEqual(await node.counts(), { users: 2, tabs: 3, unsure: 0 }, "reading is no membership");
});

test("without cookies each page is a user, and live", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const contexts = await Promise.all([blocking(t, "cookies"), blocking(t, "cookies")]);
  const pages = await Promise.all(contexts.map((context) => tab(context, node.url)));
  await untilEqual("two users", () => node.counts(), { users: 2, tabs: 2, unsure: 0 });
  for (const context of contexts) assert.deepEqual(await context.cookies(), [], "the browser keeps none");
  const ids = await Promise.all(pages.map((page) => text(page, "#you")));
  assert.match(ids[0], /^User #[0-9A-F]{8}$/);
  assert.notEqual(ids[0], ids[1]);
  for (const page of pages) await untilEqual("one tab", () => number(page, "#tabcount"), 1);
  await pages[0].locator("#lightbulb").click();
  await untilBulb(pages[1], true);
  await until("named as it was told", async () => (await text(pages[1], "#lightswitch-label")).includes(ids[0]));
});

test("two tabs at once on a first visit are one user", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const context = await visitor(await browser(t));
  // Scripts wait until both pages are loaded, or the first tab's socket could be older than the second's cookie.
  let letGo;
  const bothThere = new Promise((resolve) => (letGo = resolve));
  const pages = await Promise.all([context.newPage(), context.newPage()]);
  for (const page of pages) await page.route("**/assets/*.js", async (route) => {
    await bothThere;
    await route.continue();
  });
  await Promise.all(pages.map((page) => page.goto(node.url, { waitUntil: "commit" })));
  letGo();
  await Promise.all(pages.map((page) => connected(page)));
  await untilEqual("one user with two tabs", () => node.counts(), { users: 1, tabs: 2, unsure: 0 });
  for (const page of pages) await untilEqual("two tabs", () => number(page, "#tabcount"), 2);
  await until("both are the same person", async () => (await text(pages[0], "#you")) === (await text(pages[1], "#you")));
});

test("a page whose cookie is cleared and whose socket is cut is live again", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const proxy = await tcpProxy(t, () => node.port);
  const context = await visitor(await browser(t));
  const page = await tab(context, `http://localhost:${proxy.port}`);
  await context.clearCookies();
  proxy.cutAll();
  await page.waitForSelector("body.stimulus-reflex-disconnected", { state: "attached" });
  await connected(page, 30_000);
  const watcher = await BareClient.join(t, node, { draws: true });
  await page.locator("#lightbulb").click();
  await until("a click is drawn", () => watcher.bulb);
  await until("the label names this visitor", async () => watcher.text("#lightswitch-label").includes(await text(page, "#you")));
  await untilBulb(page, true);
  await untilEqual("one tab", () => number(page, "#tabcount"), 1);
});

test("the page is never cached, and its cookie is safe", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const answer = await node.get("/");
  assert.equal(answer.status, 200);
  assert.match(answer.headers["cache-control"], /no-store/);
  assert.match(answer.headers["content-security-policy"], /frame-ancestors 'none'/);
  assert.doesNotMatch(answer.headers["content-security-policy"], /unsafe/);
  const [cookie] = answer.headers["set-cookie"];
  assert.match(cookie, /HttpOnly/i);
  assert.match(cookie, /SameSite=Lax/i);
  const page = read(answer.body);
  assert.equal(page.document.querySelectorAll("[style], style").length, 0);
  assert.equal(page.document.querySelectorAll("script:not([src])").length, 0);
  for (const element of page.document.querySelectorAll("script[src], link[rel=stylesheet]")) {
    const asset = await node.get(element.getAttribute("src") ?? element.getAttribute("href"));
    assert.equal(asset.status, 200);
    assert.match(asset.headers["cache-control"], /immutable/);
  }
});
