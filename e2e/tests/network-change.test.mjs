// A page that changes its network: its old socket goes quiet without an end, and the page is back on a new one.
import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { browser, connected, number, tab, visitor } from "../lib/browser.mjs";
import { Node } from "../lib/node.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { untilEqual } from "../lib/until.mjs";

/**
 * A network in front of a node. `change()` ends what the browser has of its connections, of which the node learns nothing: as
 * where a phone goes from one network to another one.
 */
async function network(t, node) {
  const pairs = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(node.port, "127.0.0.1");
    const pair = { near, far };
    pairs.add(pair);
    near.on("error", () => {}).on("data", (data) => far.write(data)).on("close", () => !pair.changed && far.destroy());
    far.on("error", () => {}).on("data", (data) => near.write(data)).on("close", () => near.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const { near, far } of pairs) [near, far].forEach((socket) => socket.destroy());
  });
  return {
    port: server.address().port,
    change() {
      for (const pair of pairs) {
        pair.changed = true;
        pair.near.destroy();
      }
    },
  };
}

test("a page that is back on another network counts once", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const way = await network(t, node);
  const page = await tab(await visitor(await browser(t)), `http://localhost:${way.port}`);
  const other = await tab(await visitor(await browser(t)), node.url);
  const full = { users: 2, tabs: 2, unsure: 0 };
  await untilEqual("two are counted", () => node.counts(), full);
  const counts = watchCounts(t, node);
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  way.change();
  await page.waitForSelector("body:not(.stimulus-reflex-connected)", { state: "attached" });
  await connected(page, 30_000);
  await untilEqual("one tab, in the page's own eyes", () => number(page, "#tabcount"), 1);
  await counts.stop();
  assert.deepEqual(counts.seen.map(({ text }) => text), [JSON.stringify(full)], "no number changed on the way");
  assert.match(sockets[0], /\/cable\?tab=[0-9-]{16,64}$/);
  await other.close();
});
