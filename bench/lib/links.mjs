// What links between nodes cost: memory, CPU, and the time until nodes that start together are linked.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { allHeardAgain } from "../../e2e/lib/heard.mjs";
import { BareNode, bareMesh } from "../../e2e/lib/links.mjs";
import { Node } from "../../e2e/lib/node.mjs";
import { freePort } from "../../e2e/lib/ports.mjs";
import { pause, until } from "../../e2e/lib/until.mjs";
import { median } from "./figures.mjs";
import { root } from "./paths.mjs";

const BYTES = 200;
/** Wait before a node's memory is read, until its start is over. */
const CALM_MS = 3_000;

/** Runs `work` with a test context of its own: what it starts ends with it. */
export async function scoped(work) {
  const ends = [];
  try {
    return await work({ after: (end) => ends.push(end), diagnostic: () => {} });
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

const rss = async (nodes) => median((await Promise.all(nodes.map((node) => node.report()))).map((report) => report.process.rss_kib));

/** KiB of a node alone, of one of two, of one of `count`, and what each further peer adds. */
export function memoryOfPeers({ count, programs, protocol }) {
  return scoped(async (t) => {
    const alone = await BareNode.start(t, "alone", { listen: `${protocol}/127.0.0.1:0`, programs });
    const two = await bareMesh(t, 2, { programs, protocol });
    const many = await bareMesh(t, count, { programs, protocol });
    await pause(CALM_MS);
    const [first, second, last] = [await rss([alone]), await rss(two.nodes), await rss(many.nodes)];
    return { alone_kib: first, two_kib: second, among_kib: last, each_kib: (last - second) / (count - 2) };
  });
}

/** KiB that a node keeps for each dead address that it has dialled, at most eight at a time. */
export function memoryOfDials({ count, programs }) {
  return scoped(async (t) => {
    const node = await BareNode.start(t, "dials", { programs });
    const dead = [];
    while (dead.length < count + 8) dead.push(`quic/127.0.0.1:${await freePort()}`);
    const dialling = async (addresses) => {
      const waiting = [...addresses];
      await Promise.all(Array.from({ length: 8 }, async () => {
        for (let address = waiting.pop(); address; address = waiting.pop()) {
          const own = address;
          node.command(`try ${own}`);
          await node.line("failed", { fits: (line) => line.address === own, within: 30_000 });
        }
      }));
    };
    // The first dials cost more than the others.
    await dialling(dead.splice(0, 8));
    const before = await node.report();
    await dialling(dead);
    await pause(CALM_MS);
    const after = await node.report();
    return {
      each_kib: (after.process.rss_kib - before.process.rss_kib) / count, files: after.process.files - before.process.files,
      cpu_ms: (1_000 * (after.process.cpu_s - before.process.cpu_s)) / count,
    };
  });
}

/** µs of CPU for each message and reader, of the publisher and of the readers; and how many ms messages took. */
export function cpuOfMessages({ nodes: count, rate, seconds, programs, protocol = "quic" }) {
  return scoped(async (t) => {
    const { nodes } = await bareMesh(t, count, { programs, protocol });
    const [publisher, ...readers] = nodes;
    await pause(CALM_MS);
    const idleFrom = await Promise.all(nodes.map((node) => node.report()));
    await pause(5_000);
    const before = await Promise.all(nodes.map((node) => node.report()));
    await publisher.publish(rate, BYTES, seconds);
    await pause(500);
    const after = await Promise.all(nodes.map((node) => node.report()));
    const used = (to, from) => to.map((report, place) => report.process.cpu_s - from[place].process.cpu_s);
    const all = used(after, before);
    const messages = rate * seconds;
    const latencies = after.slice(1).map((report) => report.latency);
    return {
      publisher_us: (1e6 * all[0]) / (messages * readers.length),
      reader_us: (1e6 * median(all.slice(1))) / messages,
      idle_percent: (100 * median(used(before, idleFrom))) / 5,
      lost: messages * readers.length - latencies.reduce((sum, one) => sum + one.count, 0),
      p50_ms: median(latencies.map((one) => one.p50_ms)), p99_ms: median(latencies.map((one) => one.p99_ms)),
      threads: median(after.map((report) => report.process.threads)), files: median(after.map((report) => report.process.files)),
    };
  });
}

/** Bare meshes started together: ms from the last start until all are linked. */
export function bareStarts({ count, programs, protocol }) {
  return scoped(async (t) => {
    const { launched, whole } = await bareMesh(t, count, { programs, protocol });
    return whole - launched;
  });
}

/**
 * The same with whole nodes: ms until each has logged every other (`ms`), and until the API of each, which is up to a second
 * late, says that it hears every other directly (`direct_ms`).
 */
export function wholeStarts({ count, programs }) {
  return scoped(async (t) => {
    const program = join(programs, "global-presence");
    const nodes = [];
    for (let place = 0; place < count; place += 1) {
      nodes.push(await Node.prepare(t, { region: `r${place}`, name: `node-${place}`, mesh: true, program }));
    }
    for (const node of nodes) node.options.peers = nodes.filter((other) => other !== node).map((other) => other.meshAddress);
    for (const node of nodes) node.launch([], {});
    const launched = Date.now();
    await until("every node has heard every other", () => nodes.every((node) =>
      nodes.every((other) => other === node || node.log.includes(`peer.name="${other.name}"`))), { within: 60_000, every: 20 });
    const heard = Date.now() - launched;
    return { ms: heard, direct_ms: await allHeardAgain(nodes, launched, { within: 60_000 }) };
  });
}

/** Crates in Cargo.lock, bytes of the program, and MiB of a node that has just started with a mesh. */
export async function sizes({ programs }) {
  const program = join(programs, "global-presence");
  const memory = await scoped(async (t) => {
    const node = await Node.start(t, { mesh: true, program });
    await until("the node is ready", async () => (await node.get("/readyz")).status === 200);
    await pause(CALM_MS);
    return node.memory() / 1_024;
  });
  const crates = readFileSync(join(root, "Cargo.lock"), "utf8").match(/^\[\[package\]\]$/gm).length;
  return { crates, program_mb: statSync(program).size / 1e6, memory_mib: memory };
}
