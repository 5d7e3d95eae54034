// What things cost may not grow unseen: counts of bytes and instructions, which are the same on a busy machine.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GROWTH, counts } from "../lib/counts.mjs";

const known = JSON.parse(readFileSync(new URL("../../bench/counts.json", import.meta.url), "utf8"));

test("nothing costs a tenth more than it did", { timeout: 300_000 }, async (t) => {
  const now = await counts(t);
  for (const [name, count] of Object.entries(now)) t.diagnostic(`${name}: ${count} (on record: ${known[name]}; put a lower one there with \`node bench/counts.mjs --write\`)`);
  assert.deepEqual(Object.keys(now), Object.keys(known));
  const grown = Object.entries(now).filter(([name, count]) => count > known[name] * GROWTH);
  assert.deepEqual(grown, [], "Is it worth that? Then `node bench/counts.mjs --write` puts the new counts on record.");
});
