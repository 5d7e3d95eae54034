// Every twentieth packet between nodes is lost and all are delayed: messages arrive in time, and no node is suspected.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bareOverLoss, nodesOverLoss } from "../lib/lossy.mjs";

const path = { loss: 5, delay: 100, jitter: 50, seconds: 30 };

// Both mostly wait.
describe("with 5 % loss", { concurrency: true }, () => {
  test("99 % of messages are less than half a second late", { timeout: 120_000 }, async (t) => {
    const { lost, p50_ms: p50, p99_ms: p99, max_ms: most, sent, received, dial_ms: dial } = await bareOverLoss(t, path);
    t.diagnostic(`worst pair: median ${p50} ms, p99 ${p99} ms, at most ${most} ms; ${received} of ${sent} arrived; slowest dial ${dial.toFixed(0)} ms`);
    assert.equal(lost, 0, "links were lost");
    assert.ok(p99 < 500, `${p99} ms`);
    assert.ok(received >= sent * 0.999, `${received} of ${sent} arrived`);
  });

  test("no user is unsure and every node is live", { timeout: 120_000 }, async (t) => {
    assert.deepEqual(await nodesOverLoss(t, path), []);
  });
});
