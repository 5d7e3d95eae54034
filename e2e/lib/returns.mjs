// Nodes that are frozen, killed or closed, and return, for tests and `make links`.
import { join } from "node:path";
import { allDirect, allHeardAgain } from "./heard.mjs";
import { bareMesh, built } from "./links.mjs";
import { mesh } from "./node.mjs";
import { Probe, probed } from "./probe.mjs";
import { pause, until } from "./until.mjs";

/** How often a node updates the mesh in its API. */
export const VIEW_MS = 1_000;

/** Three whole nodes that hear each other directly, with a probe. */
export async function threeNodes(t, { programs = built } = {}) {
  const nodes = await mesh(t, ["ams", "iad", "yyz"], { program: join(programs, "global-presence"), args: probed });
  await allDirect(nodes);
  return { nodes, probe: await Probe.start(t, nodes) };
}

/**
 * How many ms after `since` messages came from each node to each other (`ms`), and when all nodes said that they hear each
 * other without help (`direct_ms`), for good.
 */
async function again({ nodes, probe }, since, options) {
  const [ms, direct] = await Promise.all([probe.heardAgain(since), allHeardAgain(nodes, since, options)]);
  return { ms, direct_ms: direct };
}

/** Freezes one of three nodes for this many seconds; resolves with the time from its thaw until all hear each other again. */
export async function frozen(three, seconds) {
  const [node] = three.nodes;
  node.freeze();
  await pause(seconds * 1_000);
  const thawed = Date.now();
  node.thaw();
  return again(three, thawed);
}

/** Kills one of three nodes and restarts it on its port; resolves with the time until all hear each other again. */
export async function killedAndBack(three) {
  const [node, other] = three.nodes;
  const before = (await other.mesh()).nodes.find((one) => one.node === node.name).incarnation;
  await node.kill();
  const back = Date.now();
  await node.start({ ready: false });
  return again(three, back, { fits: (speaker, seen) => speaker !== node || seen.incarnation > before });
}

/** Asks one of three nodes to leave; resolves with the ms until all others have logged it. */
export async function closedCleanly({ nodes }) {
  const [node, ...others] = nodes;
  const before = new Map(others.map((other) => [other, other.log.length]));
  const asked = Date.now();
  const ended = node.drain();
  const times = await Promise.all(others.map(async (other) => {
    // The API is up to a second late.
    await until(`${other.name} knows`, () => other.log.includes(node.name, before.get(other)), { every: 2 });
    return Date.now() - asked;
  }));
  await ended;
  return Math.max(...times);
}

/** Closes one of five bare meshes; resolves with the ms until each of the others has lost its link. */
export async function bareClosed(t, { programs, protocol } = {}) {
  const { nodes } = await bareMesh(t, 5, { programs, protocol });
  const [node, ...others] = nodes;
  const closing = await node.quit();
  const lost = await Promise.all(others.map((other) => other.line("lost", { fits: (line) => line.address === node.address })));
  return Math.max(...lost.map((line) => line.at_ms)) - closing;
}
