// A NATS server that is frozen, not dead: its nodes are elsewhere before anyone takes them for silent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { cluster, natsMesh, timesConnected } from "../lib/nats.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { until, untilEqual } from "../lib/until.mjs";

test("a node leaves a frozen server within four seconds, and no user becomes unsure", { timeout: 60_000 }, async (t) => {
  const [frozen, other] = await cluster(t);
  const [ams, iad] = await natsMesh(t, [{ region: "ams", servers: [frozen] }, { region: "iad", servers: [other] }]);
  await BareClient.join(t, ams);
  await untilEqual("one user", () => iad.counts(), { users: 1, tabs: 1, unsure: 0 });
  const watched = watchCounts(t, iad);
  // Messages alone are enough to count a user.
  await until("both connections are open", () => timesConnected(ams) === 2);
  frozen.process.kill("SIGSTOP");
  await until("both connections lead elsewhere", () => timesConnected(ams) >= 4, { within: 4_000, every: 5 });
  await BareClient.join(t, ams);
  await untilEqual("two users", () => iad.counts(), { users: 2, tabs: 2, unsure: 0 });
  assert.deepEqual(watched.seen.filter(({ value }) => value && value.unsure > 0), []);
});
