// Counts of bytes and instructions must not grow unnoticed. They are the same on a busy machine.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GROWTH, counts } from "../lib/counts.mjs";

const known = JSON.parse(readFileSync(new URL("../../bench/counts.json", import.meta.url), "utf8"));

test("no count has grown by more than a tenth", { timeout: 300_000 }, async (t) => {
  const now = await counts(t);
  for (const [name, count] of Object.entries(now)) t.diagnostic(`${name}: ${count} (on record: ${known[name]}; record a lower one by \`node bench/counts.mjs --write\`)`);
  assert.deepEqual(Object.keys(now), Object.keys(known));
  const grown = Object.entries(now).filter(([name, count]) => count > known[name] * GROWTH);
  assert.deepEqual(grown, [], "If the change is worth it, record the new counts by `node bench/counts.mjs --write`.");
});
