// <live-presence> under restrictions: strict policies, no storage, no sockets, sites that are not configured.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { blocking, browser, open, visitor } from "../lib/browser.mjs";
import { forward, serve } from "../lib/http.mjs";
import { Node } from "../lib/node.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { embedding, people, shop, shown, untilShown } from "../lib/shop.mjs";
import { behindTls, tlsProxy } from "../lib/tls.mjs";
import { always, until, untilEqual } from "../lib/until.mjs";

async function siteAndNode(t, options = {}) {
  const site = await shop(t);
  const node = await Node.start(t, { args: [...site.site, ...(options.args ?? [])], host: "presence.localhost" });
  return { site, node, room: `${site.host}/lamp` };
}

test("a policy that allows the script's origin and nothing else is enough", { timeout: 180_000 }, async (t) => {
  const { site, node, room } = await siteAndNode(t);
  const url = site.put("/lamp", embedding(node), {
    "content-security-policy": `default-src 'none'; script-src ${node.url}; connect-src ${node.url}; require-trusted-types-for 'script'; trusted-types 'none'`,
  });
  const page = await open(await visitor(await browser(t)), url);
  await untilShown(page, people(1));
  assert.equal((await node.room(room)).users, 1);
  const style = await page.evaluate(() => getComputedStyle(document.querySelector("live-presence").shadowRoot.querySelector("[part=dot]")).borderRadius);
  assert.equal(style, "50%", "its style is there without the page's permission");
});

test("the policies that the documents name: a nonce for the script, and the node's origin for a frame and a badge", { timeout: 180_000 }, async (t) => {
  const { site, node, room } = await siteAndNode(t);
  const socket = node.url.replace("http", "ws");
  const text = `<iframe title="Who is looking" frameborder="0" src="${node.url}/embed?room=/chair&amp;theme=light"></iframe><img alt="" src="${node.url}/badge.svg?room=${room}">`;
  const html = embedding(node, { around: (lines) => lines.replace("<script", '<script nonce="n7"') + text });
  const policy = `default-src 'none'; script-src 'nonce-n7'; connect-src 'self' ${node.url} ${socket}; frame-src ${node.url}; img-src ${node.url}; style-src 'self'`;
  const page = await open(await visitor(await browser(t)), site.put("/lamp", html, { "content-security-policy": policy }));
  await untilShown(page, people(1));
  await untilEqual("the frame", () => page.frames().at(-1).locator("[part=line]").allTextContents(), [people(1)], { within: 15_000 });
  assert.ok(await page.locator("img").evaluate((image) => image.decode().then(() => image.naturalWidth > 100)));
  assert.equal(await page.locator("iframe").evaluate((frame) => getComputedStyle(frame).borderTopWidth), "0px");
  assert.deepEqual(page.complaints, []);
});

test("with site data blocked each page is a user, and the element says so", { timeout: 180_000 }, async (t) => {
  const { site, node, room } = await siteAndNode(t);
  const url = site.put("/lamp", embedding(node));
  const context = await blocking(t, "cookies");
  const first = await open(context, url);
  assert.match(await first.evaluate(() => {
    try {
      return String(localStorage.length);
    } catch (error) {
      return error.name;
    }
  }), /SecurityError/);
  await untilShown(first, people(1));
  const second = await open(context, url);
  for (const page of [first, second]) {
    await untilShown(page, people(2));
    assert.equal(await page.locator("live-presence").getAttribute("data-identity"), "page");
  }
  assert.deepEqual(await node.counts(room), { users: 2, tabs: 2, unsure: 0 });
});

test("over TLS the partitioned cookie identifies the visitor, separately on each site", { timeout: 180_000 }, async (t) => {
  const one = await shop(t);
  const other = await shop(t, { host: "other.localhost" });
  const node = await Node.start(t, { args: [...one.site, ...other.site, ...behindTls], host: "presence.localhost" });
  const front = await tlsProxy(t, node);
  const context = await visitor(await browser(t), { ignoreHTTPSErrors: true });
  const page = await open(context, one.put("/lamp", embedding({ url: front })));
  await untilShown(page, people(1));
  assert.equal(await page.locator("live-presence").getAttribute("data-identity"), "storage", "it is not known yet whether the cookie is kept");
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await untilShown(page, people(1));
  assert.equal(await page.locator("live-presence").getAttribute("data-identity"), "cookie");
  const [cookie] = (await context.cookies(front)).filter(({ name }) => name === "__Host-presence-embed");
  assert.deepEqual({ secure: cookie.secure, httpOnly: cookie.httpOnly, sameSite: cookie.sameSite }, { secure: true, httpOnly: true, sameSite: "None" });
  assert.match(cookie.partitionKey ?? "", /shop\.localhost/);
  const elsewhere = await open(context, other.put("/lamp", embedding({ url: front })));
  await untilShown(elsewhere, people(1));
  assert.equal(await elsewhere.locator("live-presence").getAttribute("data-identity"), "storage", "a stranger on the other site");
});

/** A proxy to a node that passes requests and refuses upgrades. */
async function withoutSockets(t, node) {
  let host;
  const server = http.createServer(forward(node, (request) => ({ ...request.headers, host })));
  server.on("upgrade", (_request, socket) => socket.destroy());
  host = `presence.localhost:${await serve(t, server)}`;
  return { url: `http://${host}` };
}

test("where sockets fail an event stream counts the page as unproven, and the page stays counted between two streams", { timeout: 180_000 }, async (t) => {
  const { site, node, room } = await siteAndNode(t);
  const front = await withoutSockets(t, node);
  const chromium = await browser(t);
  const page = await open(await visitor(chromium), site.put("/lamp", embedding(front)));
  await untilShown(page, people(1));
  await untilEqual("it is unproven", () => node.room(room).then(({ users, unproven }) => [users, unproven]), [1, 1]);
  await open(await visitor(chromium), site.put("/lamp", embedding(node)));
  await untilShown(page, people(2));
  await page.evaluate(() => document.body.append(document.createElement("live-presence")));
  await untilShown(page, [people(2), people(2)]);
  const counts = watchCounts(t, node, room);
  const streams = [];
  page.on("request", (request) => request.url().includes("/presence/events") && streams.push(Date.now()));
  await until("a second stream was opened", () => streams.length > 0, { within: 75_000 });
  await always("no visitor leaves", () => counts.values().every(({ users }) => users === 2), 4_000);
  assert.deepEqual(await shown(page), [people(2), people(2)]);
  await page.close();
  await untilEqual("closing the page leaves the room", () => node.counts(room).then(({ users }) => users), 1, { within: 8_000 });
});

test("eight pages of one browser that read events leave it connections for all else, and all show the number", { timeout: 180_000 }, async (t) => {
  const { site, node, room } = await siteAndNode(t);
  const front = await withoutSockets(t, node);
  const context = await visitor(await browser(t));
  const url = site.put("/lamp", embedding(front));
  const pages = [];
  for (let count = 1; count <= 8; count += 1) {
    pages.push(await open(context, url));
    await untilShown(pages.at(-1), people(1));
  }
  let asked = 0;
  pages.at(-1).on("request", (request) => (asked += Number(request.url().includes("/presence/events"))));
  await always("a page that is answered briefly does not ask all the time", () => asked <= 1, 6_000);
  const began = Date.now();
  await pages[0].evaluate((script) => import(script), `${front.url}/presence.js?more`);
  assert.ok(Date.now() - began < 2_000, "a further file is loaded at once");
  await open(await visitor(await browser(t)), site.put("/other", embedding(node, { element: `<live-presence room="/lamp"></live-presence>` })));
  await untilEqual("another visitor is counted", () => node.counts(room).then(({ users }) => users), 2);
  const counts = watchCounts(t, node, room);
  for (const page of pages) await untilShown(page, people(2), { within: 25_000 });
  assert.deepEqual([...new Set(counts.values().map(({ users }) => users))], [2]);
});

test("a site that is not configured gets no numbers and is not counted", { timeout: 180_000 }, async (t) => {
  const { node } = await siteAndNode(t);
  const stranger = await shop(t, { host: "stranger.localhost" });
  const context = await visitor(await browser(t));
  const tried = context.waitForEvent("request", (request) => request.url().includes("/presence/events"));
  const page = await open(context, stranger.put("/lamp", embedding(node)));
  await tried;
  await page.waitForSelector("live-presence[data-stale]", { state: "attached" });
  assert.deepEqual(await shown(page), [""]);
  assert.equal((await node.counts(`${stranger.host}/lamp`)).users, 0);
});
