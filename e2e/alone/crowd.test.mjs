// Ten thousand pages of one site in one room; hundreds of them join and leave every second.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Embed } from "../lib/crowd.mjs";
import { Node } from "../lib/node.mjs";
import { pause, until } from "../lib/until.mjs";

const CONNECTIONS = 10_000;
/** Joins a second; as many pages leave. */
const CHURN = 500;
const SECONDS = 10;
/** Pages outside the room, so that a page that left joins again only after it is no longer counted. */
const AWAY = 2_500;
const ORIGIN = "https://shop.example";
const ROOM = { room: "product/7" };

test("one of ten thousand pages gets less than 1 KB a second while 500 join and 500 leave", { timeout: 180_000 }, async (t) => {
  const args = ["--site", ORIGIN, "--sockets-per-address", String(CONNECTIONS + 100)];
  const node = await Node.start(t, { args });
  const crowd = [];
  t.after(() => crowd.forEach((embed) => embed.end()));
  while (crowd.length < CONNECTIONS) {
    crowd.push(...(await Promise.all(Array.from({ length: 100 }, () => Embed.open(node, ORIGIN)))));
  }
  const [watcher] = crowd;
  watcher.watches = true;
  const there = crowd.slice(0, CONNECTIONS - AWAY);
  const away = crowd.slice(CONNECTIONS - AWAY);
  there.forEach((embed) => embed.say({ type: "join", ...ROOM }));
  await until("all pages are counted", () => watcher.counts?.users === there.length, { within: 60_000 });

  watcher.bytes = 0;
  const begun = Date.now();
  // In twenty steps a second.
  for (let part = 1; part <= SECONDS * 20; part += 1) {
    const gone = there.splice(1, CHURN / 20);
    gone.forEach((embed) => embed.say({ type: "leave", ...ROOM }));
    const come = away.splice(0, CHURN / 20);
    come.forEach((embed) => embed.say({ type: "join", ...ROOM }));
    there.push(...come);
    away.push(...gone);
    await pause(begun + part * 50 - Date.now());
  }
  const [bytes, seconds] = [watcher.bytes, (Date.now() - begun) / 1000];
  t.diagnostic(`${Math.round(bytes / seconds)} bytes a second`);
  assert.ok(bytes > 0, "the watcher got nothing");
  assert.ok(bytes / seconds < 1024, `${Math.round(bytes / seconds)} bytes a second`);
  await until("the watcher sees the right number", () => watcher.counts.users === there.length, { within: 20_000 });
  assert.deepEqual(crowd.filter((embed) => embed.closed || embed.failure).map((embed) => embed.failure?.message), []);
});
