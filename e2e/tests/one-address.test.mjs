// One address can't take every place of a node, of a site or of a list that all share.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { glance } from "../lib/flood.mjs";
import { Node, apiKey } from "../lib/node.mjs";
import { embeddedPage } from "../lib/sockets.mjs";
import { until } from "../lib/until.mjs";

/** The attacker's address: loopback has 16 million of them. */
const FROM = "127.0.0.66";
/** Rooms that a site may have here. One address may be in half of them: a quarter, but 100 at least. */
const [ROOMS, SHARE] = [200, 100];

test("900 idle connections of one address keep no one out, and the limit of open files is raised", { timeout: 180_000 }, async (t) => {
  const command = (program, line) => ["sh", ["-c", 'ulimit -Sn 1024; exec "$@"', "sh", program, ...line]];
  const node = await Node.start(t, { command });
  const [, soft, hard] = readFileSync(`/proc/${node.pid}/limits`, "utf8").match(/^Max open files +(\d+) +(\d+)/m);
  assert.equal(soft, hard);
  const few = await Node.start(t, { args: ["--connections", "300"] });
  for (const target of [node, few]) {
    const sockets = Array.from({ length: 900 }, () => connect(target.port, "127.0.0.1").on("error", () => {}));
    t.after(() => sockets.forEach((socket) => socket.destroy()));
    await until("all have tried", () => sockets.every((socket) => !socket.connecting));
    const begun = Date.now();
    assert.equal((await target.get("/healthz", { timeout: 5_000 })).status, 200);
    assert.ok(Date.now() - begun < 1_000, `${Date.now() - begun} ms`);
  }
});

/** Joins these rooms, too, on an embedded page; resolves with those of its rooms that it is sent counts of, when each is answered. */
async function joinAll(page, rooms) {
  for (const room of rooms) page.socket.send(JSON.stringify({ type: "join", room }));
  const answered = (type) => new Set(page.told.filter((message) => message.type === type).map(({ room }) => room));
  await until("each join is answered", () => new Set([...answered("counts"), ...answered("error")]).size === rooms.length + 1, { within: 30_000 });
  const refused = answered("error");
  return [...answered("counts")].filter((room) => !refused.has(room));
}

for (const [what, site, origins] of [
  ["of a site", "https://shop.example", ["https://shop.example", "https://shop.example", "https://shop.example"]],
  ["of all origins that anybody may invent", "*", ["https://a.example", "https://b.example", "https://c.example"]],
]) {
  test(`one address is in a part of the rooms ${what}`, { timeout: 180_000 }, async (t) => {
    const rates = ["--messages-per-second", "10000", "--message-burst", "10000", "--bytes-per-second", "1024mb"];
    const node = await Node.start(t, { args: ["--site", site, "--rooms-per-site", String(ROOMS), ...rates] });
    let counted = 0;
    for (const [place, origin] of origins.entries()) {
      const rooms = Array.from({ length: 100 }, (_, number) => `${place}/${number}`);
      const page = await embeddedPage(t, node, origin, rooms[0], undefined, { localAddress: FROM });
      counted += (await joinAll(page, rooms.slice(1))).length;
    }
    assert.equal(counted, SHARE);
    const visitor = await embeddedPage(t, node, origins[0], "lamp");
    await until("another visitor is answered", () => visitor.last("counts") ?? visitor.last("error"));
    assert.equal(visitor.last("counts")?.room, "lamp", JSON.stringify(visitor.told));
  });
}

test("a page follows few spellings of one room", { timeout: 180_000 }, async (t) => {
  const origin = "https://shop.example";
  const node = await Node.start(t, { args: ["--site", origin, "--message-burst", "1000"] });
  const spellings = Array.from({ length: 100 }, (_, slashes) => `${"/".repeat(slashes)}lamp`);
  const page = await embeddedPage(t, node, origin, spellings[0]);
  const followed = await joinAll(page, spellings.slice(1));
  assert.equal(followed.length, 4);
  const told = page.told.length;
  await embeddedPage(t, node, origin, "lamp");
  const now = () => page.told.slice(told).filter(({ users }) => users === 2);
  await until("each is told of another visitor", () => followed.every((name) => now().some(({ room }) => room === name)));
  assert.ok(now().length < 3 * followed.length, JSON.stringify(now()));
});

test("one address that invents paths keeps no one from counting below another", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  let refused = 0;
  for (let number = 0; number < 100; number += 1) {
    refused += Number(!(await glance(node, `/api/v1/rooms?room=invented-${number}/`, { from: FROM })).startsWith("HTTP/1.1 200"));
  }
  const keyed = { headers: { authorization: `Bearer ${apiKey}` } };
  assert.equal((await node.get("/api/v1/rooms?room=asked-with-the-key/", keyed)).status, 200);
  await until("another visitor is answered", async () => (await node.get("/api/v1/rooms?room=asked/")).status === 200);
  assert.ok(refused > 50, `${refused} of 100`);
});
