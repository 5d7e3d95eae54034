// How soon the others know of a node that is killed and restarted at once, and of one that closes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { meshProtocol } from "../lib/node.mjs";
import { VIEW_MS, bareClosed, closedCleanly, killedAndBack, threeNodes } from "../lib/returns.mjs";

test("a node that is killed and restarted on its port is heard by all within 1.5 s", { timeout: 60_000 }, async (t) => {
  const { ms, direct_ms: direct } = await killedAndBack(await threeNodes(t));
  t.diagnostic(`messages reach all ${ms} ms after it was started again; directly after ${direct} ms`);
  assert.ok(ms < 1_500, `${ms} ms`);
  assert.ok(direct < 1_500 + VIEW_MS, `${direct} ms`);
});

test("a node that is asked to leave tells all others within 0.1 s", { timeout: 60_000 }, async (t) => {
  const ms = await closedCleanly(await threeNodes(t));
  t.diagnostic(`all others know ${ms} ms after SIGTERM`);
  assert.ok(ms < 100, `${ms} ms`);
});

test("links that are closed are lost at their other ends within 0.1 s", { timeout: 60_000 }, async (t) => {
  const ms = await bareClosed(t, { protocol: meshProtocol });
  t.diagnostic(`all others have lost their links ${ms.toFixed(1)} ms after the close began`);
  assert.ok(ms < 100, `${ms} ms`);
});
