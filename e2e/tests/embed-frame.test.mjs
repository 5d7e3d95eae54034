// Embeds beside the element: the frame, with and without scripts, and the image.
import assert from "node:assert/strict";
import { test } from "node:test";
import { blocking, browser, open, visitor } from "../lib/browser.mjs";
import { Node, mesh } from "../lib/node.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { embedding, people, shop, untilShown } from "../lib/shop.mjs";
import { behindTls, tlsProxy } from "../lib/tls.mjs";
import { always, pause, until, untilEqual } from "../lib/until.mjs";

/** What the innermost frame of the page shows now: the element's line, or the printed one. */
function framed(page) {
  return page.frames().at(-1).locator("[part=line], p").allTextContents();
}

function untilFramed(page, text, options) {
  return untilEqual(`the frame shows ${text}`, () => framed(page), [text], { within: 20_000, ...options });
}

const frame = (node, room, more = "") => `<!doctype html><meta charset="utf-8"><title>Lamps</title>
<iframe src="${node.url}/embed?room=${encodeURIComponent(room)}${more}"></iframe>`;

/** A node of a site, and a page of it with a frame. `load` has fired, else this fails. */
async function pageWithFrame(t, { person = withScripts, env, more } = {}) {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost", env });
  const page = await open(await person(t), site.put("/lamp", frame(node, "/lamp", more)));
  return { site, node, page, room: () => node.room(`${site.host}/lamp`) };
}

const withScripts = async (t) => visitor(await browser(t));
const withoutScripts = (t, options) => blocking(t, "javascript", options);
/** A visitor without scripts is asked again every 10 s, and counts for 25 s. */
const left = { within: 40_000 };

test("a frame without scripts counts its visitor and updates its number, in two regions", { timeout: 180_000 }, async (t) => {
  const site = await shop(t);
  const nodes = await mesh(t, ["ams", "iad"], (region) => ({ args: [...site.site, ...behindTls], host: `${region}.localhost` }));
  // Browsers keep the cookie of a frame only over TLS.
  const fronts = await Promise.all(nodes.map((node) => tlsProxy(t, node)));
  const room = `${site.host}/lamp`;
  site.put("/lamp", (url) => frame({ url: fronts[url.searchParams.get("from") === "iad" ? 1 : 0] }, "/lamp"));
  const here = await open(await withoutScripts(t, { ignoreHTTPSErrors: true }), `${site.origin}/lamp?from=ams`);
  await untilFramed(here, people(1));
  await untilEqual("it is unproven", () => nodes[1].room(room).then(({ users, tabs, unproven }) => [users, tabs, unproven]), [1, 1, 1]);
  const there = await open(await withoutScripts(t, { ignoreHTTPSErrors: true }), `${site.origin}/lamp?from=iad`);
  for (const page of [here, there]) await untilFramed(page, people(2));

  const counts = watchCounts(t, nodes[1], room);
  await here.reload();
  await untilFramed(here, people(2));
  await there.close();
  await untilFramed(here, people(1), left);
  await untilEqual("it was printed several times, and is one tab", () => nodes[0].counts(room), { users: 1, tabs: 1, unsure: 0 }, left);
  assert.ok(counts.values().every(({ users }) => users > 0 && users <= 2), "no visitor was counted twice or was missed");
  await here.close();
  await untilEqual("closing the page leaves the room", () => nodes[0].counts(room).then(({ users }) => users), 0, left);
});

test("a frame with scripts, a page with one and an element of one site are in one room", { timeout: 180_000 }, async (t) => {
  const { site, node, page, room } = await pageWithFrame(t, { more: "&lang=de&show=looking&theme=dark" });
  const element = await open(await visitor(await browser(t)), site.put("/page", embedding(node, { element: `<live-presence room="/lamp"></live-presence>` })));
  await untilFramed(page, "2 Personen sehen sich das gerade an");
  await untilShown(element, people(2));
  assert.equal((await room()).unproven, 0, "the script in the frame answers");
  assert.deepEqual(page.complaints, []);
  await page.close();
  await untilShown(element, people(1));
});

for (const [name, person] of [["with", withScripts], ["without", withoutScripts]]) {
  test(`a frame ${name} scripts returns after its node was killed, also if the node was away when it was asked`, { timeout: 180_000 }, async (t) => {
    const { node, page, room } = await pageWithFrame(t, { person });
    await untilFramed(page, people(1));
    await node.kill();
    // A frame that is asked for again meanwhile shows the browser's own error.
    await pause(12_000);
    await node.start();
    await untilEqual("it is counted again", () => room().then(({ users }) => users), 1, { within: 60_000 });
    await untilFramed(page, people(1));
  });

  test(`a deploy makes no visitor of a frame ${name} scripts leave`, { timeout: 180_000 }, async (t) => {
    const site = await shop(t);
    const nodes = await mesh(t, ["ams", "iad"], () => ({ args: site.site, host: "presence.localhost" }));
    // While one node is away the other answers.
    const front = await tcpProxy(t, () => (nodes[0].exit ? nodes[1] : nodes[0]).port);
    const url = `http://presence.localhost:${front.port}`;
    const page = await open(await person(t), site.put("/lamp", frame({ url }, "/lamp")));
    await untilFramed(page, people(1));
    const users = () => nodes[1].counts(`${site.host}/lamp`).then((counts) => counts.users);
    await untilEqual("the other region knows", users, 1);
    const counts = watchCounts(t, nodes[1], `${site.host}/lamp`);
    await nodes[0].drain();
    front.cutAll();
    // A visitor who had left with the node would be missed within 25 s.
    await always("the visitor stays", async () => (await users()) === 1, 30_000, { every: 100 });
    assert.deepEqual([...new Set(counts.values().map((seen) => seen.users))], [1]);
    await untilFramed(page, people(1));
  });

  test(`a frame ${name} scripts names regions`, { timeout: 180_000 }, async (t) => {
    const { page } = await pageWithFrame(t, { person, env: { GP_REGION_NAME: "Toronto <\"T\">" }, more: "&show=regions" });
    await untilFramed(page, "Toronto <\"T\"> 1");
  });
}

test("a frame goes on by events where sockets fail, and the script of a frame speaks for no other page", { timeout: 180_000 }, async (t) => {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const context = await visitor(await browser(t));
  await context.routeWebSocket(/\/presence$/, (socket) => socket.close());
  const page = await open(context, site.put("/lamp", frame(node, "/lamp")));
  await untilFramed(page, people(1));
  const path = `/embed/http/${site.host}/presence`;
  for (const origin of [site.origin, "http://stranger.localhost", "null"]) {
    const answer = await node.get(`${path}/events?room=lamp`, { headers: { origin } });
    assert.equal(answer.status, 403, origin);
  }
  assert.equal((await node.get(`${path}/events?room=lamp`)).status, 403, "a program that does not say where it is");
  const other = await node.get("/embed/http/stranger.localhost/presence/events?room=lamp", { headers: { origin: node.url } });
  assert.ok(other.status === 403 && other.body.includes("--site"), other.body);
});

test("only the room's own site may show the frame, and a page without a referrer is refused", { timeout: 180_000 }, async (t) => {
  const site = await shop(t);
  const stranger = await shop(t, { host: "stranger.localhost" });
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const room = `${site.host}/lamp`;
  const context = await visitor(await browser(t));
  const page = await context.newPage();
  const statuses = [];
  page.on("response", (answer) => answer.url().includes("/embed") && statuses.push(answer.status()));
  await page.goto(stranger.put("/", frame(node, room)));
  await until("the stranger is refused", () => statuses.includes(403));
  await page.goto(stranger.put("/hidden", frame(node, room), { "referrer-policy": "no-referrer" }));
  await until("so is a page without a referrer", () => statuses.length > 1);
  assert.ok(statuses.every((status) => status === 403), statuses.join());
  assert.equal((await node.counts(room)).users, 0);
  for (const path of ["/embed", "/embed/printed"]) {
    const answer = await node.get(`${path}?room=${room}`, { headers: { referer: `${site.origin}/x` } });
    assert.deepEqual([answer.status, answer.headers["cache-control"]], [200, "no-store"], path);
  }
});

test("a frame that is refused shows the reason on any page, and nothing else of the node can be framed", { timeout: 180_000 }, async (t) => {
  const site = await shop(t);
  const stranger = await shop(t, { host: "stranger.localhost" });
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const room = `${site.host}/lamp`;
  const context = await visitor(await browser(t));
  const reason = (page) => page.frames().at(-1).locator("p").textContent();
  const page = await open(context, stranger.put("/", frame(node, room)));
  assert.equal(await reason(page), `Pages of ${stranger.origin} may not embed this server. Start it with --site ${stranger.origin} to allow them.`);
  const hidden = await open(context, site.put("/hidden", frame(node, "/lamp"), { "referrer-policy": "no-referrer" }));
  assert.match(await reason(hidden), /write <iframe referrerpolicy="origin" …>/);
  const locked = await open(context, site.put("/locked", frame(node, "/private/lamp")));
  assert.match(await reason(locked), /private: send a token/);

  const html = { accept: "text/html", referer: `${stranger.origin}/` };
  const refused = await node.get(`/embed?room=${room}`, { headers: html });
  assert.deepEqual([refused.status, refused.headers["content-type"], refused.headers["set-cookie"]], [403, "text/html; charset=utf-8", undefined]);
  assert.match(refused.headers["content-security-policy"], /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'$/);
  const program = await node.get(`/embed?room=${room}`, { headers: { referer: html.referer } });
  assert.deepEqual([program.status, program.headers["content-type"]], [403, "application/problem+json"]);
  const around = (path) => node.get(path, { headers: { ...html, referer: `${site.origin}/` } });
  const allowed = await around(`/embed?room=${room}`);
  assert.ok(allowed.headers["content-security-policy"].endsWith(`frame-ancestors 'self' ${site.origin}`));
  for (const path of ["/", "/nowhere", "/owner", `/badge.svg?room=${room}`, `/api/v1/rooms?room=${room}`, "/embed/http/x/presence/events?room=lamp"]) {
    const { headers } = await around(path);
    assert.match(headers["content-security-policy"], /frame-ancestors 'none'/, path);
  }
});

test("the policy names only the site, and a badge is an image for all sites", { timeout: 180_000 }, async (t) => {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const context = await visitor(await browser(t));
  const page = await context.newPage();
  const answered = page.waitForResponse((answer) => answer.url().includes("/embed"));
  await page.goto(site.put("/lamp", frame(node, "/lamp")));
  const policy = (await (await answered).allHeaders())["content-security-policy"];
  assert.match(policy, new RegExp(`default-src 'none'; style-src 'sha256-[^']+';.* frame-ancestors 'self' ${site.origin}$`));
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
