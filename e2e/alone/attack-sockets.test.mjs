// Sockets that send as fast as they can: other visitors notice nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { flood, floods } from "../lib/flood.mjs";
import { Node } from "../lib/node.mjs";
import { pause, until } from "../lib/until.mjs";

const SOCKETS = 8;
const SECONDS = 4;
const HEALTH_MS = 50;
const DRAWN_MS = 100;
async function timed(act) {
  const begun = performance.now();
  await act();
  return performance.now() - begun;
}

for (const [kind, bytes, first] of floods) {
  test(`${SOCKETS} sockets that send ${kind} delay no one`, { timeout: 60_000 }, async (t) => {
    const node = await Node.start(t);
    const [clicks, watches] = [await BareClient.join(t, node, { draws: true }), await BareClient.join(t, node, { draws: true })];
    const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => flood(t, node, bytes, { first })));
    const [health, drawn] = [[], []];
    for (const end = performance.now() + SECONDS * 1_000; performance.now() < end;) {
      for (let count = 0; count < 10; count += 1) health.push(await timed(() => node.get("/healthz")));
      await pause(100); // no faster than a person may click
      const wanted = !watches.bulb;
      drawn.push(await timed(async () => {
        await clicks.toggle(!wanted);
        await until("the click is drawn", () => watches.bulb === wanted, { every: 1 });
      }));
    }
    const worst = (times, part) => times.sort((a, b) => a - b)[Math.ceil(times.length * part) - 1];
    const [healthy, seen] = [worst(health, 0.99), worst(drawn, 1)];
    const written = sockets.reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0);
    t.diagnostic(`/healthz within ${healthy.toFixed(1)} ms (p99 of ${health.length}), clicks drawn within ${seen.toFixed(1)} ms, ${(written / SECONDS / 1e6).toFixed(2)} MB/s written`);
    assert.ok(healthy < HEALTH_MS, `${healthy} ms`);
    assert.ok(seen < DRAWN_MS, `${seen} ms`);
  });
}
