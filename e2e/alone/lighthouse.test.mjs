// What Lighthouse says of the page: on a desktop, and on a slow phone with a slow line.
import assert from "node:assert/strict";
import { test } from "node:test";
import { audit } from "../lighthouse/audit.mjs";
import { Node } from "../lib/node.mjs";

/** On a quiet machine it is 100. It depends on the time that a script has to wait for a processor: the best of some runs counts. */
const PERFORMANCE_MIN = 95;
const RUNS_MAX = 3;

for (const form of ["desktop", "mobile"]) {
  test(`Lighthouse gives the page 100 of 100 (${form})`, { timeout: 300_000 }, async (t) => {
    const node = await Node.start(t);
    let best = 0;
    for (let run = 1; run <= RUNS_MAX && best < PERFORMANCE_MIN; run += 1) {
      const { scores: { performance, ...others }, faults } = await audit(t, node.url, form);
      t.diagnostic(`performance ${performance}; ${faults.join("; ")}`);
      assert.deepEqual(others, { accessibility: 100, "best-practices": 100, seo: 100 }, faults.join("; "));
      best = Math.max(best, performance);
    }
    assert.ok(best >= PERFORMANCE_MIN, `performance is ${best}`);
  });
}
