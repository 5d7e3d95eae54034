// Every twentieth packet between nodes is lost and all come late: messages come in time, and nobody is doubted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bareOverLoss, nodesOverLoss } from "../lib/lossy.mjs";

const path = { loss: 5, delay: 100, jitter: 50, seconds: 30 };

test("messages are at most half a second late where 5 % are lost, nearly all", { timeout: 120_000 }, async (t) => {
  const { lost, p50_ms: p50, p99_ms: p99, max_ms: most, sent, received, dial_ms: dial } = await bareOverLoss(t, path);
  t.diagnostic(`worst pair: median ${p50} ms, p99 ${p99} ms, at most ${most} ms; ${received} of ${sent} came; slowest dial ${dial.toFixed(0)} ms`);
  assert.equal(lost, 0, "links were lost");
  assert.ok(p99 < 500, `${p99} ms`);
  assert.ok(received >= sent * 0.999, `${received} of ${sent} came`);
});

test("nobody is unsure and every node is live where 5 % are lost", { timeout: 120_000 }, async (t) => {
  assert.deepEqual(await nodesOverLoss(t, path), []);
});
