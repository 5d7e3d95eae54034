// Ten thousand pages of one site in one room, of which hundreds come and go every second.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Embed } from "../lib/crowd.mjs";
import { Node } from "../lib/node.mjs";
import { pause, until } from "../lib/until.mjs";

const CONNECTIONS = 10_000;
/** How many join, and as many leave, in a second. */
const CHURN = 500;
const SECONDS = 10;
/** Who is away meanwhile, so that nobody comes back before they have been counted out. */
const AWAY = 2_500;
const ORIGIN = "https://shop.example";
const ROOM = { room: "product/7" };

test("a watcher of ten thousand is sent less than 1 KB a second while 500 join and 500 leave", { timeout: 180_000 }, async (t) => {
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
  await until("everybody is counted", () => watcher.counts?.users === there.length, { within: 60_000 });

  watcher.bytes = 0;
  const begun = Date.now();
  // In twenty parts a second, each at its time.
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
  assert.ok(bytes > 0, "the watcher was told nothing");
  assert.ok(bytes / seconds < 1024, `${Math.round(bytes / seconds)} bytes a second`);
  await until("the watcher sees the right number", () => watcher.counts.users === there.length, { within: 20_000 });
  assert.deepEqual(crowd.filter((embed) => embed.closed || embed.failure).map((embed) => embed.failure?.message), []);
});
