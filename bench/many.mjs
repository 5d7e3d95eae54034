// Many idle nodes through NATS, in three regions with a server each: what a node receives, and what nodes and servers cost.
// `node bench/many.mjs [NODES] [SECONDS]`; it takes the program of target/release. 64 nodes take 2 GiB.
import { series } from "../e2e/lib/metrics.mjs";
import { natsMesh, supercluster } from "../e2e/lib/nats.mjs";
import { allHearAll } from "../e2e/lib/node.mjs";
import { pause } from "../e2e/lib/until.mjs";
import { cpuShares, sum } from "./lib/cpu.mjs";
import { median } from "./lib/figures.mjs";
import { scoped } from "./lib/links.mjs";

const [, , count = "64", seconds = "30"] = process.argv;
const REGIONS = ["ams", "iad", "maa"];

/** Messages and bytes that a node has received from others, without what sealing and NATS add. */
async function received(node) {
  const all = [...(await series(node))];
  const total = (name) => sum(all.filter(([of]) => of.startsWith(`${name}{`) && of.includes('direction="received"')).map(([, value]) => value));
  return { messages: total("presence_mesh_messages_total"), bytes: total("presence_mesh_bytes_total") };
}

await scoped(async (t) => {
  const { servers } = await supercluster(t, REGIONS);
  const places = Array.from({ length: Number(count) }, (_, place) => {
    const region = REGIONS[place % REGIONS.length];
    return { region, name: `node-${place}`, servers: [servers[region]] };
  });
  const began = Date.now();
  const nodes = await natsMesh(t, places, { within: 120_000 });
  console.log(`${nodes.length} nodes hear each other ${((Date.now() - began) / 1_000).toFixed(1)} s after their start`);
  // Heartbeats name all nodes for a second or two.
  await pause(15_000);
  const pids = [nodes.map((node) => node.pid), Object.values(servers).map((server) => server.process.pid)];
  const before = await Promise.all(nodes.map(received));
  const { used } = await cpuShares(pids, () => pause(Number(seconds) * 1_000));
  const after = await Promise.all(nodes.map(received));
  const each = (what) => after.map((all, place) => (all[what] - before[place][what]) / Number(seconds));
  await allHearAll(nodes);
  console.table([{
    nodes: nodes.length,
    "messages/s in": Number(median(each("messages")).toFixed(1)), "KB/s in": Number((median(each("bytes")) / 1_000).toFixed(1)),
    "a node": `${median(used[0]).toFixed(2)} %`, servers: `${sum(used[1]).toFixed(1)} %`,
  }]);
});
