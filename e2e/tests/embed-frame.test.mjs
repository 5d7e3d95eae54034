// Embeds without scripts: the frame that stays open, and the image.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, open, visitor } from "../lib/browser.mjs";
import { Node, mesh } from "../lib/node.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { embedding, people, shop, untilShown } from "../lib/shop.mjs";
import { behindTls, tlsProxy } from "../lib/tls.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

// Without scripts a browser loads lazy frames like all others, and a page with an open frame never finishes loading.
const loaded = "domcontentloaded";

/** What a frame of the page shows now. */
function framed(page) {
  return page.frameLocator("iframe").locator("p:visible").allTextContents();
}

function untilFramed(page, text, options) {
  return untilEqual(`the frame shows ${text}`, () => framed(page), [text], { within: 15_000, ...options });
}

const frame = (node, room, more = "") => `<!doctype html><meta charset="utf-8"><title>Lamps</title>
<iframe loading="lazy" src="${node.url}/embed?room=${encodeURIComponent(room)}${more}"></iframe>`;

test("a frame counts its visitor and updates its number, in two regions, without scripts", { timeout: 120_000 }, async (t) => {
  const site = await shop(t);
  const nodes = await mesh(t, ["ams", "iad"], (region) => ({ args: [...site.site, ...behindTls], host: `${region}.localhost` }));
  // Browsers keep the cookie of a frame only over TLS.
  const fronts = await Promise.all(nodes.map((node) => tlsProxy(t, node)));
  const room = `${site.host}/lamp`;
  site.put("/lamp", (url) => frame({ url: fronts[url.searchParams.get("from") === "iad" ? 1 : 0] }, "/lamp"));
  const chromium = await browser(t);
  const scriptless = { javaScriptEnabled: false, ignoreHTTPSErrors: true };
  const here = await open(await visitor(chromium, scriptless), `${site.origin}/lamp?from=ams`, loaded);
  await untilFramed(here, people(1));
  await untilEqual("it is unproven", () => nodes[1].room(room).then(({ users, unproven }) => [users, unproven]), [1, 1]);
  const there = await open(await visitor(chromium, scriptless), `${site.origin}/lamp?from=iad`, loaded);
  for (const page of [here, there]) await untilFramed(page, people(2));

  const counts = watchCounts(t, nodes[1], room);
  await here.reload({ waitUntil: loaded });
  await untilFramed(here, people(2));
  await there.close();
  await untilFramed(here, people(1), { within: 8_000 });
  await here.goto("about:blank");
  await untilEqual("leaving the page leaves the room", () => nodes[0].counts(room).then(({ users }) => users), 0, { within: 8_000 });
  assert.ok(counts.values().every(({ users }) => users <= 2), "no visitor was counted twice");
  await here.goBack({ waitUntil: loaded });
  await untilFramed(here, people(1));
});

test("a frame and an element of one site are in one room", { timeout: 90_000 }, async (t) => {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const chromium = await browser(t);
  const element = await open(await visitor(chromium), site.put("/lamp", embedding(node)));
  const page = await open(await visitor(chromium), site.put("/framed", frame(node, `${site.host}/lamp`, "&lang=de&show=looking&theme=dark")), loaded);
  await untilFramed(page, "2 Personen sehen sich das gerade an");
  await untilShown(element, people(2));
});

test("a frame returns after its node restarts", { timeout: 120_000 }, async (t) => {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const page = await open(await visitor(await browser(t), { javaScriptEnabled: false }), site.put("/lamp", frame(node, "/lamp")), loaded);
  await untilFramed(page, people(1));
  await node.kill();
  await node.start();
  await untilEqual("it is counted again", () => node.counts(`${site.host}/lamp`).then(({ users }) => users), 1, { within: 20_000 });
  await untilFramed(page, people(1));
});

test("a deploy makes no frame's visitor leave", { timeout: 120_000 }, async (t) => {
  const site = await shop(t);
  const nodes = await mesh(t, ["ams", "iad"], (region) => ({ args: site.site, host: `${region}.localhost` }));
  const page = await open(await visitor(await browser(t), { javaScriptEnabled: false }), site.put("/lamp", frame(nodes[0], "/lamp")), loaded);
  await untilFramed(page, people(1));
  const room = `${site.host}/lamp`;
  await untilEqual("the other region knows", () => nodes[1].counts(room).then(({ users }) => users), 1);
  const counts = watchCounts(t, nodes[1], room);
  await nodes[0].drain();
  await nodes[0].start();
  await untilEqual("it is counted again", () => nodes[0].counts(room).then(({ users }) => users), 1, { within: 20_000 });
  await pause(3_000);
  assert.deepEqual([...new Set(counts.values().map(({ users }) => users))], [1]);
});

test("only the room's own site may show the frame, and a page without a referrer is refused", { timeout: 90_000 }, async (t) => {
  const site = await shop(t);
  const stranger = await shop(t, { host: "stranger.localhost" });
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const room = `${site.host}/lamp`;
  const context = await visitor(await browser(t));
  const page = await context.newPage();
  const statuses = [];
  page.on("response", (answer) => answer.url().includes("/embed") && statuses.push(answer.status()));
  await page.goto(stranger.put("/", frame(node, room)), { waitUntil: loaded });
  await until("the stranger is refused", () => statuses.includes(403));
  await page.goto(stranger.put("/hidden", frame(node, room), { "referrer-policy": "no-referrer" }), { waitUntil: loaded });
  await until("so is a page without a referrer", () => statuses.length > 1);
  assert.ok(statuses.every((status) => status === 403), statuses.join());
  assert.equal((await node.counts(room)).users, 0);
  const answer = node.get(`/embed?room=${room}`, { headers: { referer: `${site.origin}/x` }, timeout: 1_000 });
  await assert.rejects(answer, /no answer/, "it stays open");
});

test("the policy names only the site, and a badge is an image for all sites", { timeout: 90_000 }, async (t) => {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const context = await visitor(await browser(t));
  const page = await context.newPage();
  const answered = page.waitForResponse((answer) => answer.url().includes("/embed"));
  await page.goto(site.put("/lamp", frame(node, "/lamp")), { waitUntil: loaded });
  const policy = (await (await answered).allHeaders())["content-security-policy"];
  assert.match(policy, new RegExp(`default-src 'none'; style-src 'sha256-[^']+';.* frame-ancestors ${site.origin}$`));
  await untilFramed(page, people(1));

  const badge = await node.get(`/badge.svg?room=${encodeURIComponent(`${site.host}/lamp`)}&lang=en`);
  assert.equal(badge.status, 200);
  assert.equal(badge.headers["content-type"], "image/svg+xml");
  assert.equal(badge.headers["cross-origin-resource-policy"], "cross-origin");
  assert.match(badge.headers["cache-control"], /^public, max-age=\d$/);
  assert.match(badge.body, /<title>1 person is looking at this<\/title>/);
  await page.goto(site.put("/badge", `<!doctype html><title>Badge</title><img src="${node.url}/badge.svg?room=${site.host}/lamp">`));
  const size = await page.locator("img").evaluate(async (image) => {
    await image.decode();
    return [image.naturalWidth, image.naturalHeight];
  });
  assert.ok(size[0] > 150 && size[0] < 260 && size[1] === 24, size.join());
  const hostile = await node.get(`/badge.svg?room=${encodeURIComponent("<script>alert(1)</script>")}&lang=%3Cb%3E&show=%22%3E&theme=%3C`);
  assert.ok(hostile.status === 200 && !/script|alert|<b>/.test(hostile.body), hostile.body);
  assert.equal((await node.get("/badge.svg")).status, 400);
  assert.equal((await node.get(`/badge.svg?room=${site.host}/private/x`)).status, 403);
});
