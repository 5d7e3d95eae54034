// What is made for a visitor who asks for something new ends with the visitor: names that do not exist cost no memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { glance } from "../lib/flood.mjs";
import { Node } from "../lib/node.mjs";
import { until } from "../lib/until.mjs";

const REQUESTS = Number(process.env.GP_TEST_REQUESTS ?? 20_000);
const AT_A_TIME = 50;

async function glances(node, count, ask) {
  let next = 0;
  const worker = async () => {
    while (next < count) await ask(next++);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

// Visitors linger for 2 s after they have closed a page, so some thousands are present at a time: that memory is used again.
for (const [what, path, headers, before, keptMax] of [
  ["counts as events", (number) => `/api/v1/rooms/events?room=new-${number}`, "", 5_000, 2_048],
  ["visitors' events", (number) => `/presence/events?room=new-${number}`, "origin: https://shop.example\r\n", 40_000, 4_096],
]) {
  test(`a room that was looked at takes no memory afterwards: ${what}`, { timeout: 300_000 }, async (t) => {
    const node = await Node.start(t, { args: ["--site", "https://shop.example", "--rooms-per-site", "1000000", "--joins-per-second", "100000"] });
    const ask = (from) => async (number) => {
      assert.match(await glance(node, path(from + number), { headers }), /^HTTP\/1\.[01] 200 /);
    };
    const gone = () => until("its visitors are gone", async () => (await node.room("shop.example/")).users === 0, { within: 60_000 });
    await glances(node, before, ask(0));
    await gone();
    // A round with more visitors at a time than any before it needs more memory once. What is kept for each name grows in all rounds.
    const rounds = [];
    do {
      const memory = node.memory();
      await glances(node, REQUESTS, ask(before + rounds.length * REQUESTS));
      await gone();
      await until("the memory is free again", () => node.memory() - memory < keptMax, { within: 20_000 }).catch(() => {});
      rounds.push(node.memory() - memory);
    } while (rounds.at(-1) >= keptMax && rounds.length < 3);
    assert.ok(rounds.at(-1) < keptMax, `each ${REQUESTS} names keep ${rounds.join(", ")} KiB`);
    t.diagnostic(`${REQUESTS} names keep ${rounds.join(", ")} KiB of ${node.memory()}`);
  });
}
