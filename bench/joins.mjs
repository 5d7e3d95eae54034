// 1,000 joins a second on twelve nodes, over links of their own and through NATS with three gateways, in turn: how soon a
// join shows on the other nodes, and what nodes and servers cost. `node bench/joins.mjs [JOINS] [SECONDS] [ROUNDS]`; it takes programs of target/release.
import { arrivals, fastJoins as args, visits } from "../e2e/lib/joins.mjs";
import { natsMesh, supercluster } from "../e2e/lib/nats.mjs";
import { mesh } from "../e2e/lib/node.mjs";
import { pause } from "../e2e/lib/until.mjs";
import { cpuShares, sum } from "./lib/cpu.mjs";
import { median } from "./lib/figures.mjs";
import { scoped } from "./lib/links.mjs";

const [, , rate = "1000", seconds = "30", rounds = "3"] = process.argv;
const REGIONS = ["ams", "iad", "maa"];
const NODES = 12;

async function measured(t, nodes, servers) {
  const pids = [nodes.map((node) => node.pid), servers.map((server) => server.process.pid)];
  await pause(3_000);
  const idle = await cpuShares(pids, () => pause(5_000));
  const joined = await Promise.all(nodes.map((node) => visits(t, node, Number(rate) / nodes.length)));
  await pause(4_000);
  const before = sum(joined.map((count) => count()));
  const began = Date.now();
  const busy = await cpuShares(pids, () => arrivals(t, nodes, Number(seconds) * 1_000));
  const took = busy.result;
  const percent = (number) => `${number.toFixed(1)} %`;
  return {
    "joins/s": Math.round((sum(joined.map((count) => count())) - before) / ((Date.now() - began) / 1_000)),
    samples: took.length,
    "p50 ms": Number(took[Math.floor(took.length / 2)].toFixed(1)), "p99 ms": Number(took[Math.floor(took.length * 0.99)].toFixed(1)),
    "a node": percent(median(busy.used[0])), "all nodes": percent(sum(busy.used[0])), servers: percent(sum(busy.used[1])),
    "idle node": percent(median(idle.used[0])), "idle servers": percent(sum(idle.used[1])),
  };
}

const names = Array.from({ length: NODES }, (_, place) => ({ region: REGIONS[place % REGIONS.length], name: `node-${place}` }));
const carriers = {
  "links of their own": () => scoped(async (t) => measured(t, await mesh(t, names.map(({ region }) => region), (_, place) => ({ ...names[place], args })), [])),
  "through NATS": () => scoped(async (t) => {
    const { servers } = await supercluster(t, REGIONS);
    const nodes = await natsMesh(t, names.map((place) => ({ ...place, servers: [servers[place.region]] })), { args });
    return measured(t, nodes, Object.values(servers));
  }),
};
const table = [];
// In turn, so that what else the machine does is shared.
for (let round = 0; round < Number(rounds); round += 1) {
  for (const [links, run] of Object.entries(carriers)) table.push({ links, ...(await run()) });
}
console.table(table);
