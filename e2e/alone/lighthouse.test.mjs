// What Lighthouse says of the page: on a desktop, and on a slow phone with a slow line.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { audit } from "../lighthouse/audit.mjs";
import { Node } from "../lib/node.mjs";

/** On a quiet machine it is 100. It depends on the time that a script has to wait for a processor: one good run of some is enough. */
const PERFORMANCE_MIN = 95;
const RUNS_MAX = 6;
const OTHERS = { accessibility: 100, "best-practices": 100, seo: 100 };

for (const form of ["desktop", "mobile"]) {
  test(`Lighthouse gives the page 100 of 100 (${form})`, { timeout: 300_000 }, async (t) => {
    const node = await Node.start(t);
    const bad = [];
    for (let run = 1; run <= RUNS_MAX; run += 1) {
      const { scores: { performance, ...others }, faults } = await audit(t, node.url, form);
      t.diagnostic(`performance ${performance}; ${faults.join("; ")}`);
      if (performance >= PERFORMANCE_MIN && isDeepStrictEqual(others, OTHERS)) return;
      bad.push({ performance, ...others, faults });
    }
    assert.fail(`no run is good: ${JSON.stringify(bad)}`);
  });
}
