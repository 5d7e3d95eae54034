// A node in a process of its own, which a test may kill, freeze, drain and start again.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environment } from "./environment.mjs";
import { request } from "./http.mjs";
import { NatsServer } from "./nats.mjs";
import { program } from "./paths.mjs";
import { freePort } from "./ports.mjs";
import { until } from "./until.mjs";

export const secret = "a secret for tests alone, the same on every node";
export const apiKey = "a key for tests alone";
/** What nodes are linked by: QUIC, or TLS over TCP, or NATS where `GP_TEST_MESH` says so. */
export const meshProtocol = process.env.GP_TEST_MESH ?? "quic";

const running = new Set();
process.on("exit", () => {
  for (const node of running) node.kill("SIGKILL");
});

/** A folder that is removed after the test. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "presence-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/**
 * Options: `region`, `name`, `mesh` (true: it listens for others), `nats` (servers that link it), `peers` (addresses, or nodes), `dataDir`,
 * `unnamed` (region and name are not on its command line), `args` (more of the command line), `env` (more
 * environment), `program` (another build), `command` (turns program and arguments into a command around them), `stdin` (of the process).
 */
export class Node {
  constructor(t, options) {
    this.options = options;
    this.log = "";
    this.exit = undefined;
    this.processes = [];
    t.after(() => this.stop());
  }

  /** Starts a node and waits until it is ready. */
  static async start(t, options = {}) {
    const node = await Node.prepare(t, options);
    await node.start();
    return node;
  }

  /** A node with its ports chosen, not started yet. */
  static async prepare(t, options = {}) {
    const node = new Node(t, options);
    node.region = options.region ?? "yyz";
    node.name = options.name ?? `${node.region}-${Math.random().toString(36).slice(2, 8)}`;
    node.port = options.port ?? (await freePort());
    // What is linked through NATS listens to no other node, and finds them where those are that it is told of.
    node.nats = options.nats ?? options.peers?.find((peer) => peer instanceof Node)?.nats;
    node.meshPort = options.mesh && !node.nats ? (options.meshPort ?? (await freePort())) : undefined;
    node.host = options.host ?? "localhost";
    return node;
  }

  get url() {
    return `http://${this.host}:${this.port}`;
  }

  get meshAddress() {
    return `${meshProtocol}/127.0.0.1:${this.meshPort}`;
  }

  get pid() {
    return this.process.pid;
  }

  /** Starts the process; `ready: false` does not wait for `/readyz`. */
  async start({ ready = true, within = 20_000, args = [], env = {} } = {}) {
    this.launch(args, env);
    if (ready) await this.untilReady({ within });
    return this;
  }

  launch(args, env) {
    const { peers = [], dataDir, unnamed, listen } = this.options;
    const line = [
      "--listen", listen ?? `127.0.0.1:${this.port}`,
      ...(unnamed ? [] : ["--region", this.region, "--node", this.name]),
      ...(this.meshPort ? ["--mesh-listen", this.meshAddress] : []),
      ...(this.nats ? ["--mesh", this.nats] : []),
      ...(this.nats ? [] : peers).flatMap((peer) => ["--mesh-peer", peer instanceof Node ? peer.meshAddress : peer]),
      ...(dataDir ? ["--data-dir", dataDir] : []),
      ...(this.options.args ?? []), ...args,
    ];
    const variables = environment({ GP_SECRET: secret, GP_API_KEY: apiKey, ...this.options.env, ...env });
    this.exit = undefined;
    this.logged = this.log.length;
    const [command, all] = this.options.command?.(program, line) ?? [this.options.program ?? program, line];
    const child = spawn(command, all, { env: variables, stdio: [this.options.stdin ?? "ignore", "pipe", "pipe"] });
    this.process = child;
    this.processes.push(child);
    running.add(child);
    const keep = (text) => (this.log += text);
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    this.ended = new Promise((resolve) => {
      child.on("error", (error) => keep(`${error.message}\n`));
      child.on("close", (code, signal) => {
        running.delete(child);
        if (this.process === child) this.exit = { code, signal };
        resolve({ code, signal });
      });
    });
  }

  async untilReady({ within = 20_000 } = {}) {
    await until(`${this.name} is ready`, async () => {
      if (this.exit) throw new Error(`it ended (${JSON.stringify(this.exit)}): ${this.log.slice(-2_000)}`);
      return (await this.get("/readyz", { timeout: 1_000 })).status === 200;
    }, { within, every: 30 }).catch((error) => {
      throw new Error(`${error.message}\n${this.log.slice(-2_000)}`);
    });
  }

  /** Its log since it was last started. */
  get logSinceStart() {
    return this.log.slice(this.logged);
  }

  signal(name) {
    this.process.kill(name);
  }

  /** Kills it, as a power cut would; resolves when it has ended. */
  async kill() {
    this.signal("SIGKILL");
    return this.ended;
  }

  freeze() {
    this.signal("SIGSTOP");
  }

  thaw() {
    this.signal("SIGCONT");
  }

  /** Asks it to leave; resolves with `{ code, signal }` when it has. */
  async drain() {
    this.signal("SIGTERM");
    return this.ended;
  }

  async stop() {
    const left = this.processes.filter((child) => running.has(child));
    await Promise.all(left.map((child) => new Promise((resolve) => {
      child.once("close", resolve);
      child.kill("SIGKILL");
    })));
  }

  /** One request to this node. */
  get(path, options) {
    return request(this.port, path, { host: `${this.host}:${this.port}`, ...options });
  }

  /** One POST of JSON with the API's key. */
  post(path, body, options) {
    const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
    return this.get(path, { method: "POST", headers, body: JSON.stringify(body), ...options });
  }

  async json(path, options) {
    const answer = await this.get(path, options);
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body);
  }

  /** The counts of a room. */
  room(name = "demo", options) {
    return this.json(`/api/v1/rooms?room=${encodeURIComponent(name)}`, options).then((answer) => answer.rooms[0]);
  }

  /** `{ users, tabs, unsure }` of a room. */
  async counts(name = "demo") {
    const { users, tabs, unsure } = await this.room(name);
    return { users, tabs, unsure };
  }

  /** The mesh, with nodes. */
  mesh(options = {}) {
    return this.json("/api/v1/mesh", { headers: { authorization: `Bearer ${apiKey}` }, ...options });
  }

  /** The state of another region, as this node judges it. */
  async stateOf(region) {
    return (await this.mesh()).regions.find((known) => known.region === region)?.state;
  }

  /** Resident memory in KiB. */
  memory() {
    return Number(readFileSync(`/proc/${this.pid}/status`, "utf8").match(/^VmRSS:\s+(\d+)/m)[1]);
  }
}

/**
 * Starts nodes that know each other, one for each of `regions`, and waits until all hear all.
 * `options` go to each of them, a function is asked with the region and the place in the list.
 */
export async function mesh(t, regions, options = {}) {
  const nodes = [];
  const nats = meshProtocol === "nats" ? await NatsServer.start(t) : undefined;
  for (const [place, region] of regions.entries()) {
    const own = typeof options === "function" ? options(region, place) : options;
    nodes.push(await Node.prepare(t, { region, mesh: true, nats: nats?.url, host: `${region}.localhost`, ...own }));
  }
  for (const node of nodes) node.options.peers ??= nodes.filter((other) => other !== node).map((other) => other.meshAddress);
  await Promise.all(nodes.map((node) => node.start()));
  await allHearAll(nodes);
  return nodes;
}

/** Resolves when every node says of every other that it is live and completely known. */
export async function allHearAll(nodes, { within = 15_000 } = {}) {
  await until("all hear all", async () => {
    for (const node of nodes) {
      const { nodes: known, regions } = await node.mesh();
      if (!regions.find(({ region }) => region === node.region).whole) throw new Error(`${node.name} is not sure of its numbers yet`);
      for (const other of nodes) {
        const seen = known.find(({ node: name }) => name === other.name);
        if (seen?.state !== "live") throw new Error(`${node.name} says of ${other.name}: ${JSON.stringify(seen)}`);
      }
    }
    return true;
  }, { within, every: 50 });
}
