// A busy node: thousands of visitors stay while others join, leave and click. Half a minute of `make soak-connections`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { soak } from "../../bench/lib/soak.mjs";

const CONNECTIONS = 15_000;

test("15,000 visitors stay, and every page has the right number while others join and leave", { timeout: 300_000 }, async (t) => {
  const measured = await soak({ connections: CONNECTIONS, seconds: 30, tell: (line) => t.diagnostic(line) });
  assert.ok(measured.length >= 2, "it was measured more than once");
  for (const { connections, closed } of measured) assert.deepEqual({ connections, closed }, { connections: CONNECTIONS, closed: 0 });
  assert.ok(measured.at(-1).joined > CONNECTIONS + 50 && measured.at(-1).clicks > 2, JSON.stringify(measured.at(-1)));
});
