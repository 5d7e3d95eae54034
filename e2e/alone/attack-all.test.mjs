// Every attack of a visitor at once, against one node of three: all other visitors notice nothing. `make attack` takes ten minutes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { dial, flood, floods, glance, textFrame, upgrade, whispers } from "../lib/flood.mjs";
import { mesh } from "../lib/node.mjs";
import { pause, until } from "../lib/until.mjs";

const SECONDS = Number(process.env.ATTACK ?? 60);
/** The attacker's address: loopback has 16 million of them. */
const FROM = "127.0.0.66";
const MEMORY_KIB = 600 * 1_024;
/** What an allocator keeps after a peak. */
const KEPT_KIB = 100 * 1_024;
/** A click in one region, drawn in another, while a core is busy with the attack. */
const DRAWN_MS = 5_000;
const HEALTH_MS = 5_000;

/** Attacks again and again until `over()`. */
async function repeat(over, attack) {
  for (let number = 0; !over(); number += 1) await Promise.all([attack(number), pause(20)]).catch(() => pause(20));
}

/** A socket that joins a public stream under many names, and never reads. */
async function deaf(t, node, number) {
  const socket = dial(t, node, FROM);
  socket.write(upgrade(node));
  await pause(20);
  for (let count = 0; count < 50; count += 1) {
    const identifier = JSON.stringify({ channel: "$pubsub", stream_name: `chat/${count % 5}`, p: `${number} ${count} ${"x".repeat(900)}` });
    socket.write(textFrame(JSON.stringify({ command: "subscribe", identifier })));
  }
  await pause(500);
  socket.resetAndDestroy();
}

test(`${SECONDS} s of all attacks at once cost others nothing`, { timeout: (SECONDS + 120) * 1_000 }, async (t) => {
  const args = ["--public-streams", "chat/*", "--site", "*"];
  const nodes = await mesh(t, ["ams", "iad", "lhr"], { args });
  const [target, ...others] = nodes;
  const visitors = [];
  for (const node of nodes) visitors.push(await BareClient.join(t, node, { draws: true }), await BareClient.join(t, node, { draws: true }));
  const counted = (users) => until(`${users} users are counted on every node`, async () => {
    const counts = await Promise.all(nodes.map((node) => node.counts()));
    return counts.every((count) => count.users === users && count.unsure === 0);
  }, { within: 10_000 });
  await counted(visitors.length);
  const [before, logged] = [target.memory(), target.log.length];

  const end = Date.now() + SECONDS * 1_000;
  const over = () => Date.now() > end;
  const attacks = [];
  const done = { bytes: 0, answers: 0 };
  const ask = async (path, headers) => {
    if ((await glance(target, path, { headers, from: FROM, reset: true })).startsWith("HTTP/1.1")) done.answers += 1;
  };
  const [subscription, whispered] = whispers("chat/0");
  for (const [, bytes, first] of [...floods, ["whispers", whispered, subscription]]) {
    for (let count = 0; count < 2; count += 1) {
      attacks.push(repeat(over, async () => {
        const socket = await flood(t, target, bytes, { first, from: FROM });
        await until("it is closed, or over", () => socket.destroyed || over(), { within: (SECONDS + 10) * 1_000, every: 100 });
        done.bytes += socket.bytesWritten - socket.writableLength;
        socket.destroy();
      }));
    }
  }
  for (let count = 0; count < 4; count += 1) {
    attacks.push(repeat(over, (number) => ask(`/api/v1/rooms/events?room=new-${count}-${number}`)));
    attacks.push(repeat(over, (number) => ask(`/presence/events?room=new-${number}`, `origin: https://a${count}-${number}.example\r\n`)));
    attacks.push(repeat(over, (number) => ask(`/api/v1/rooms?room=a${count}-${number}.example/`)));
    attacks.push(repeat(over, () => ask("/api/v1/mesh", "authorization: Bearer a wrong key of some length\r\n")));
    attacks.push(repeat(over, (number) => deaf(t, target, `${count}-${number}`)));
  }
  attacks.push(repeat(over, async () => {
    const idle = Array.from({ length: 300 }, () => dial(t, target, FROM));
    await pause(2_000);
    idle.forEach((socket) => socket.resetAndDestroy());
  }));

  let [most, slowest, unhealthy] = [before, 0, 0];
  for (let round = 0; !over(); round += 1) {
    const [clicker, watcher] = [visitors[round % visitors.length], visitors[(round + 3) % visitors.length]];
    const wanted = !watcher.bulb;
    let begun = performance.now();
    await clicker.toggle(!wanted);
    await until("the click is drawn in another region", () => watcher.bulb === wanted, { every: 2, within: 10_000 });
    slowest = Math.max(slowest, performance.now() - begun);
    begun = performance.now();
    assert.equal((await target.get("/healthz", { timeout: 5_000 })).status, 200);
    unhealthy = Math.max(unhealthy, performance.now() - begun);
    for (const node of nodes) assert.equal((await node.counts()).users, visitors.length, `a visitor is not counted in ${node.region}`);
    most = Math.max(most, target.memory());
    await pause(250);
  }
  await Promise.all(attacks);
  await counted(visitors.length);
  await until("memory is free again", () => target.memory() - before < KEPT_KIB, { within: 60_000, every: 250 });
  const lines = target.log.slice(logged).split("\n").filter(Boolean);
  t.diagnostic(`clicks drawn within ${slowest.toFixed(0)} ms, /healthz within ${unhealthy.toFixed(0)} ms; ${(most / 1_024).toFixed(0)} MiB at most, ${((target.memory() - before) / 1_024).toFixed(0)} MiB more afterwards; ${lines.length} lines logged; ${JSON.stringify(done)}`);
  assert.ok(done.bytes > 10_000 * SECONDS && done.answers > 10 * SECONDS, JSON.stringify(done));
  assert.ok(slowest < DRAWN_MS, `${slowest} ms`);
  assert.ok(unhealthy < HEALTH_MS, `${unhealthy} ms`);
  assert.ok(most < MEMORY_KIB, `${most} KiB`);
  // One line a minute for each kind: wrong keys, an address at its limit, libraries.
  assert.ok(lines.length <= 5 * (1 + SECONDS / 60), lines.join("\n"));
  for (const node of others) assert.doesNotMatch(node.log, /panicked|silent/);
});
