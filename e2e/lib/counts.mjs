// The cost of a delivery, a visitor, a page, an API answer and a scrape in counts, which are the same on every machine, so that a test
// can check them. Instructions are those of the `release` build without the kernel, as valgrind counts them; what ships (`dist`) takes fewer.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BareClient } from "./client.mjs";
import { Node, apiKey } from "./node.mjs";
import { cableSocket, listenTo } from "./sockets.mjs";
import { until } from "./until.mjs";

/** Factor by which a count may grow before a test fails. */
export const GROWTH = 1.1;
const STREAM = "bench";
const MESSAGES = 20;
/** Runs of which the cheapest counts. */
const RUNS = 3;
/** A body such that a frame has the same size as in the benchmarks. */
const PAYLOAD = "x".repeat(113);

/** A node whose instructions are counted. */
class Counted {
  static async start(t) {
    const counted = new Counted();
    counted.folder = mkdtempSync(join(tmpdir(), "counts-"));
    t.after(() => rmSync(counted.folder, { recursive: true, force: true }));
    const tool = ["--tool=callgrind", `--callgrind-out-file=${counted.folder}/out`, "--quiet"];
    counted.node = await Node.prepare(t, {
      args: ["--public-streams", STREAM, "--ping-every", "5s", "--probe-every", "20s"],
      command: (program, line) => ["valgrind", [...tool, program, ...line]],
    });
    await counted.node.start({ within: 120_000 });
    return counted;
  }

  /** Instructions while `work` runs: the lowest of some runs, since each has a share of what the node does by its clock. */
  async instructions(work) {
    const all = [];
    for (let run = 0; run < RUNS; run += 1) all.push(await this.ofOneRun(work));
    return Math.min(...all);
  }

  async ofOneRun(work) {
    this.control("-z");
    await work();
    const before = this.dumps().length;
    this.control("-d");
    await until("the counts are written", () => this.dumps().length > before, { within: 30_000 });
    const written = readFileSync(join(this.folder, this.dumps().at(-1)), "utf8");
    return Number(written.match(/^(?:summary|totals): (\d+)/m)[1]);
  }

  control(order) {
    execFileSync("callgrind_control", [order, String(this.node.pid)], { stdio: "ignore" });
  }

  dumps() {
    const number = (name) => Number(name.split(".")[1]);
    return readdirSync(this.folder).filter((name) => /^out\.\d+$/.test(name)).sort((one, other) => number(one) - number(other));
  }
}

/** Sockets that listen to the public stream, and what they received. */
class Listeners {
  static async open(t, node, count) {
    const all = new Listeners();
    Object.assign(all, { messages: 0, bytes: 0 });
    all.sockets = await Promise.all(Array.from({ length: count }, () => all.one(t, node)));
    return all;
  }

  async one(t, node) {
    const socket = cableSocket(node);
    t.after(() => socket.terminate());
    const failed = new Promise((_, reject) => socket.on("error", reject));
    await Promise.race([failed, listenTo(socket, STREAM, (message, bytes) => {
      if (message.p !== PAYLOAD) return;
      this.messages += 1;
      this.bytes += bytes;
    })]);
    return socket;
  }

  /** Publishes messages, each after all sockets have the previous one. */
  async hear(node, messages) {
    for (let message = 0; message < messages; message += 1) {
      const wanted = this.messages + this.sockets.length;
      const answer = await node.post("/api/v1/publish", { stream: STREAM, data: { p: PAYLOAD }, history: false });
      if (answer.status !== 202) throw new Error(`publishing was answered ${answer.status}: ${answer.body}`);
      await until("all sockets have it", () => this.messages === wanted, { within: 30_000, every: 2 }).catch((error) => {
        const closed = this.sockets.filter((socket) => socket.readyState !== socket.OPEN).length;
        throw new Error(`${error.message}: ${wanted - this.messages} of ${this.sockets.length} lack message ${message}, ${closed} are closed`);
      });
    }
  }
}

/** All counts by their names. `t` ends what is started. */
export async function counts(t) {
  if (!existsSync("/usr/bin/valgrind")) throw new Error("install valgrind: scripts/prepare.sh does");
  const counted = await Counted.start(t);
  const { node } = counted;

  // The cost of one more listener. The cost of publishing is in both measurements and cancels out.
  const few = await Listeners.open(t, node, 20);
  await few.hear(node, 5);
  const withFew = await counted.instructions(() => few.hear(node, MESSAGES));
  const more = await Listeners.open(t, node, 100);
  const all = Object.assign(new Listeners(), { sockets: [...few.sockets, ...more.sockets] });
  Object.defineProperty(all, "messages", { get: () => few.messages + more.messages });
  await all.hear(node, 5);
  const withAll = await counted.instructions(() => all.hear(node, MESSAGES));
  const delivery = (withAll - withFew) / (MESSAGES * more.sockets.length);
  const bytes = (few.bytes + more.bytes) / (few.messages + more.messages);
  for (const socket of all.sockets) socket.terminate();

  const each = async (times, work) => {
    // The first ones cost more: a page's pieces are compressed at their second use.
    for (let time = 0; time < 3; time += 1) await work();
    return (await counted.instructions(async () => {
      for (let time = 0; time < times; time += 1) await work();
    })) / times;
  };
  const answered = async (path, headers) => assert.equal((await node.get(path, { headers })).status, 200, path);
  const page = await each(10, () => answered("/", { "accept-encoding": "gzip" }));
  const answer = await each(10, () => answered("/api/v1/rooms/demo"));
  const scrape = await each(10, () => answered("/metrics", { authorization: `Bearer ${apiKey}` }));

  // A visitor, from loading the page until all watchers show them.
  const watchers = await Promise.all(Array.from({ length: 5 }, () => BareClient.join(t, node, { draws: true })));
  let there = watchers.length;
  const came = async () => {
    await BareClient.join(t, node);
    there += 1;
    await until("all show it", () => watchers.every((watcher) => watcher.number("#headcount") === there), { within: 30_000, every: 5 });
  };
  const visitor = await each(7, came);
  return {
    "bytes of a delivery": Math.round(bytes),
    "instructions of a delivery": Math.round(delivery),
    "instructions of a page": Math.round(page),
    "instructions of an API answer": Math.round(answer),
    "instructions of a scrape of metrics": Math.round(scrape),
    "instructions of a visitor's coming, five watching": Math.round(visitor),
  };
}
