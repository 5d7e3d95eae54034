// An attacker without the secret floods a node with first packets of links: new nodes are still linked.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { attacked } from "../lib/attack.mjs";

const SECONDS = 20;
const WITHIN_MS = 1_000;
/** 1 MB is the promise, which `make links` measures; what an allocator keeps varies. */
const MEMORY_KIB = 1_536;
/** 20 seconds are less than a minute. */
const LOG_LINES = 1;

const attacks = [
  ["10 Initial packets a second", { rate: 10 }],
  ["1,000 Initial packets a second from 200 addresses", { rate: 1_000, addresses: 200 }],
  ["1,000 packets a second that only look like Initials", { rate: 1_000, kind: "noise" }],
  ["10 silent TCP connections a second", { rate: 10, protocol: "tls" }],
  ["100 silent TCP connections a second", { rate: 100, protocol: "tls" }],
];

// Each has nodes of its own, and takes a few hundredths of a core.
describe("attacks", { concurrency: true }, () => {
  for (const [name, attack] of attacks) {
    test(`${name} delay no new node by a second`, { timeout: 120_000 }, async (t) => {
      const { joins, memory_kib: memory, log, lost, cpu_percent: cpu, done } = await attacked(t, { seconds: SECONDS, ...attack });
      t.diagnostic(`linked after ${joins.map((ms) => ms.toFixed(1)).join(", ")} ms; ${memory} KiB more memory, ${cpu.toFixed(1)} % of a core, ${log.length} lines logged; ${JSON.stringify(done)}`);
      assert.ok(joins.length >= 6 && joins.every((ms) => ms < WITHIN_MS), JSON.stringify(joins));
      assert.equal(lost, 0, "no link was lost");
      assert.ok(log.length <= LOG_LINES, log.join("\n"));
      if (!attack.protocol) assert.ok(memory <= MEMORY_KIB, `${memory} KiB`);
    });
  }
});
