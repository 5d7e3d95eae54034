// The proxies whose files are in deploy/: pages, sockets, event streams, frames, the visitor's address, and a node that leaves.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { browser, open, tab, untilBulb, visitor } from "../lib/browser.mjs";
import { Node, allHearAll } from "../lib/node.mjs";
import { root } from "../lib/paths.mjs";
import { freePort } from "../lib/ports.mjs";
import { askSecurely, openEvents, proxies, startProxy } from "../lib/proxies.mjs";
import { embedding, people, shop, untilShown } from "../lib/shop.mjs";
import { until, untilEqual } from "../lib/until.mjs";

/** Addresses of this machine that visitors come from, and one that a visitor claims. */
const [VISITOR, OTHER, CLAIMED] = ["127.0.0.66", "127.0.0.67", "203.0.113.9"];

/** The options that the documents give a node behind a proxy. */
const [, documented] = readFileSync(join(root, "docs/operating/proxies.md"), "utf8").match(/^```ini\n(.*?)^```$/ms);

/** Two nodes of one region behind a proxy. */
async function behind(t, name) {
  const [port, plainPort, site] = [await freePort(), await freePort(), await shop(t)];
  const url = `https://localhost:${port}`;
  const env = Object.fromEntries(documented.trim().replace("https://example.org", url).split("\n").map((line) => line.split("=")));
  const first = await Node.prepare(t, { region: "ams", name: "ams-1", mesh: true, args: site.site, env });
  const second = await Node.prepare(t, { region: "ams", name: "ams-2", mesh: true, peers: [first], args: site.site, env });
  const nodes = [first, second];
  // They answer under the proxy's host only.
  for (const node of nodes) node.get = (path, options) => Node.prototype.get.call(node, path, { host: `localhost:${port}`, ...options });
  await Promise.all(nodes.map((node) => node.start()));
  await allHearAll(nodes);
  return { port, plainPort, site, url, nodes, log: await startProxy(t, name, { port, plainPort, nodes }) };
}

for (const name of Object.keys(proxies)) {
  test(`${name} carries pages, sockets, event streams and frames, and says who the visitor is`, { timeout: 180_000 }, async (t) => {
    const { port, plainPort, site, url, nodes } = await behind(t, name);
    const [one, room] = [await browser(t), `${site.host}/lamp`];
    const person = () => visitor(one, { ignoreHTTPSErrors: true });

    const tabs = await Promise.all([0, 1].map(async () => tab(await person(), url)));
    await tabs[0].locator("#lightbulb").click();
    await untilBulb(tabs[1], true);
    assert.deepEqual(tabs.flatMap(({ complaints }) => complaints), []);
    const cookie = (await tabs[0].context().cookies(url))[0];
    assert.ok(cookie.secure, "the node knows that the browser uses TLS");

    const events = openEvents(t, port, "/presence/events?room=lamp", { origin: site.origin });
    await until("the event stream begins", () => events.status === 200 && events.text.includes('"counts"'));
    const frame = await open(await person(), site.put("/lamp", `<!doctype html><title>Lamp</title><iframe src="${url}/embed?room=/lamp"></iframe>`));
    await until("the event stream goes on", () => events.text.includes('"users":2'), { within: 10_000 });
    await untilEqual("the frame shows both", () => frame.frames().at(-1).locator("[part=line], p").allTextContents(), [people(2)], { within: 15_000 });
    const page = await open(await person(), site.put("/element", embedding({ url }, { element: '<live-presence room="/lamp"></live-presence>' })));
    await untilShown(page, people(3));
    await untilEqual("the other node counts them", () => nodes[1].counts(room).then(({ users }) => users), 3);
    // A wrong key is logged with the address that the node believes in.
    const claims = { "x-forwarded-for": CLAIMED, "x-forwarded-host": "claimed.example", authorization: "Bearer wrong" };
    const answer = await askSecurely(port, "/api/v1/mesh", { from: VISITOR, headers: claims });
    assert.equal(answer.status, 401, answer.body);
    await askSecurely(port, "/api/v1/mesh", { from: OTHER, headers: { authorization: "Bearer wrong" } });
    const logged = () => nodes.map(({ log }) => log).join("");
    await until("both addresses are logged", () => [VISITOR, OTHER].every((address) => logged().includes(`address=${address}`)));
    assert.ok(!logged().includes(CLAIMED), "what a visitor claims is not believed");

    if (name !== "caddy") assert.equal((await fetch(`http://localhost:${plainPort}/`, { redirect: "manual" })).status % 300, name === "nginx" ? 1 : 2);
  });

  test(`a node behind ${name} that leaves costs no visitor an answer`, { timeout: 180_000 }, async (t) => {
    const { port, nodes } = await behind(t, name);
    let [asked, going] = [0, true];
    const failures = [];
    const asking = (async () => {
      while (going) {
        asked += 1;
        const { status } = await askSecurely(port, "/").catch((error) => ({ status: error.message }));
        if (status !== 200) failures.push(status);
      }
    })();
    await nodes[0].drain();
    const before = asked;
    await until("the other node answers", () => asked > before + 50, { within: 20_000 });
    going = false;
    await asking;
    assert.deepEqual(failures, []);
  });
}
