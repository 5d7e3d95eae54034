// Three nodes with a lossy network between each two, for tests and `make links`.
import { join } from "node:path";
import { BareClient } from "./client.mjs";
import { allDirect } from "./heard.mjs";
import { BareNode, built, network } from "./links.mjs";
import { ownNames } from "./names.mjs";
import { Node } from "./node.mjs";
import { freePort } from "./ports.mjs";
import { watchCounts } from "./rooms.mjs";
import { pause, until, untilEqual } from "./until.mjs";

const REGIONS = ["ams", "iad", "yyz"];
const BYTES = 200;

/** Every ordered pair of a reader and a speaker. */
const pairsOf = (list) => list.flatMap((reader) => list.filter((other) => other !== reader).map((speaker) => [reader, speaker]));

/**
 * Bare meshes that say `rate` messages of 200 bytes a second to each other for `seconds`. Resolves with how many links were
 * lost, the slowest dial, and of the worst pair how late messages were, in ms, and how many were missing.
 */
export async function bareOverLoss(t, { rate = 50, seconds, programs = built, ...path }) {
  const nodes = [];
  for (const region of REGIONS) nodes.push(await BareNode.start(t, region, { programs }));
  const pairs = pairsOf(nodes);
  const fronts = await network(t, pairs.map(([, speaker]) => ["127.0.0.1:0", speaker.socket]), { programs, ...path });
  pairs.forEach(([reader], place) => reader.dial(`quic/${fronts[place]}`));
  const dials = await Promise.all(pairs.map(([reader], place) => reader.linked(`quic/${fronts[place]}`, { within: 30_000 })));
  await Promise.all(nodes.map((node) => node.publish(rate, BYTES, seconds)));
  // The last message may be resent more than once.
  await pause(10 * (path.delay + path.jitter));
  const reports = await Promise.all(nodes.map((node) => node.report()));
  const links = reports.flatMap((report) => report.links);
  const worst = (field) => Math.max(...links.map((link) => link[field]));
  return {
    lost: reports.reduce((sum, report) => sum + report.links_lost, 0), dial_ms: Math.max(...dials),
    p50_ms: worst("p50_ms"), p99_ms: worst("p99_ms"), max_ms: worst("max_ms"),
    sent: links.length * rate * seconds, received: reports.reduce((sum, report) => sum + report.received, 0),
  };
}

/**
 * Whole nodes, each with a visitor. They advertise themselves by name, and what a name means to a node is its network to that
 * one. Resolves with whatever any node said for `seconds` that it should not have: somebody unsure, a node not live, or a round
 * trip that no message can have made.
 */
export async function nodesOverLoss(t, { seconds, programs = built, ...path }) {
  const port = await freePort();
  const own = Object.fromEntries(REGIONS.map((region, place) => [region, `127.0.0.${41 + place}`]));
  const pairs = pairsOf(REGIONS);
  const relayed = pairs.map((_, place) => `127.0.0.${51 + place}`);
  await network(t, pairs.map(([, speaker], place) => [`${relayed[place]}:${port}`, `${own[speaker]}:${port}`]), { programs, ...path });
  const nodes = [];
  for (const region of REGIONS) {
    const others = REGIONS.filter((other) => other !== region);
    const addresses = pairs.flatMap(([reader, speaker], place) => (reader === region ? [[`${speaker}.mesh.test`, relayed[place]]] : []));
    const names = await ownNames(t, Object.fromEntries([[`${region}.mesh.test`, own[region]], ...addresses]));
    nodes.push(await Node.prepare(t, {
      region, name: region, command: (program, line) => names.command(join(programs, "global-presence"), line),
      peers: others.map((other) => `quic/${other}.mesh.test:${port}`),
      args: ["--mesh-listen", `quic/${own[region]}:${port}`, "--mesh-advertise", `quic/${region}.mesh.test:${port}`],
    }));
  }
  await Promise.all(nodes.map((node) => node.start()));
  await allDirect(nodes);
  for (const node of nodes) await BareClient.join(t, node);
  const all = { users: nodes.length, tabs: nodes.length, unsure: 0 };
  for (const node of nodes) await untilEqual("all visitors are counted", () => node.counts(), all, { within: 10_000 });

  const watched = nodes.map((node) => watchCounts(t, node));
  const wrong = [];
  const end = Date.now() + seconds * 1_000;
  await until("the time is over", async () => {
    for (const node of nodes) {
      const others = (await node.mesh()).nodes.filter((seen) => seen.state !== "live");
      wrong.push(...others.map((seen) => `${node.name} says of ${seen.node}: ${seen.state}`));
    }
    return Date.now() >= end;
  }, { within: seconds * 1_000 + 10_000, every: 100 });
  for (const [place, { values }] of watched.entries()) {
    wrong.push(...values().filter((counts) => counts.unsure !== 0 || counts.users !== all.users)
      .map((counts) => `${nodes[place].name} counts ${JSON.stringify(counts)}`));
    const trips = (await nodes[place].mesh()).nodes.filter((seen) => seen.round_trip_ms !== null);
    wrong.push(...trips.filter((seen) => seen.round_trip_ms < 2 * (path.delay - path.jitter))
      .map((seen) => `${nodes[place].name} reaches ${seen.node} in ${seen.round_trip_ms} ms`));
  }
  return wrong;
}
