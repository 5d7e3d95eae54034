// 30,000 increments of one counter in six regions, while nodes are killed: each that was answered counts, and none twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clapping, claps, theatre } from "../lib/applause.mjs";
import { allHearAll, folder } from "../lib/node.mjs";
import { until } from "../lib/until.mjs";

const REGIONS = ["ams", "iad", "yyz", "maa", "syd", "gru"];
const CLAPS = Number(process.env.CLAPS ?? 30_000);
const SOCKETS_PER_REGION = 2;

test(`${CLAPS} increments from six regions are all counted, each once, while nodes are killed`, { timeout: 900_000 }, async (t) => {
  // Every other node keeps nothing on a disk.
  const nodes = await theatre(t, REGIONS, (_, place) => (place % 2 === 0 ? { dataDir: folder(t) } : {}));
  const tally = { wanted: CLAPS, answered: 0, sent: 0, failed: 0, waiting: 0 };
  const crowd = nodes.flatMap((node) => Array.from({ length: SOCKETS_PER_REGION }, () => clapping(t, node, tally)));
  let over = false;
  const all = Promise.all(crowd).then(() => (over = true));
  let kills = 0;
  for (; !over; kills += 1) {
    const node = nodes[kills % nodes.length];
    await node.kill();
    await node.start({ within: 120_000 });
    await allHearAll(nodes, { within: 120_000 });
    const before = tally.answered;
    await until("claps are answered again", () => over || tally.answered > before + 200, { within: 120_000 });
  }
  await all;
  await allHearAll(nodes, { within: 120_000 });
  assert.ok(kills >= Math.min(REGIONS.length, CLAPS / 1_000), `nodes were killed: ${kills}`);
  const counted = await until("all regions say the same", async () => {
    const said = await Promise.all(nodes.map(claps));
    if (new Set(said).size > 1) throw new Error(said.join(" "));
    return said[0];
  }, { within: 30_000, every: 200 });
  const unanswered = tally.sent - tally.answered;
  t.diagnostic(`${tally.answered} answered, ${counted} counted, ${unanswered} not answered when their node was killed, ${kills} kills`);
  assert.equal(tally.answered, CLAPS);
  assert.ok(counted >= CLAPS, `${counted} of ${CLAPS} are counted`);
  assert.ok(counted <= tally.sent, `${counted} are counted, ${tally.sent} were sent`);
});
