// Nodes are stopped by SIGSTOP, for shorter and longer than any timeout: soon after SIGCONT all hear each other again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VIEW_MS, frozen, threeNodes } from "../lib/returns.mjs";

const SECONDS = [3, 5, 6, 8, 10, 15, 20, 40];
const WITHIN_MS = 1_500;

test("a node that was frozen is heard again within 1.5 s, and hears all", { timeout: 180_000 }, async (t) => {
  // Separate meshes at the same time, as all of them mostly wait.
  const meshes = [];
  for (const seconds of SECONDS) meshes.push({ seconds, three: await threeNodes(t) });
  const times = await Promise.all(meshes.map(async ({ seconds, three }) => ({ seconds, ...(await frozen(three, seconds)) })));
  for (const { seconds, ms, direct_ms: direct } of times) {
    t.diagnostic(`frozen for ${seconds} s: messages reach all ${ms} ms later; directly after ${direct} ms`);
  }
  assert.deepEqual(times.filter(({ ms }) => ms >= WITHIN_MS), []);
  assert.deepEqual(times.filter(({ direct_ms: direct }) => direct >= WITHIN_MS + VIEW_MS), []);
});
