// Links without nodes: bare meshes, lossy networks and attackers, each a process of bench/'s program `links`.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { target } from "./paths.mjs";
import { freePort } from "./ports.mjs";
import { until } from "./until.mjs";

/** Where the built programs are that tests run; `make links` runs others. */
export const built = join(target, "release");

/** A process that prints lines of JSON and takes commands. It ends with its standard input, and so with this process. */
class Program {
  constructor(t, args, programs) {
    this.lines = [];
    this.log = "";
    const child = spawn(join(programs, "links"), args, { stdio: ["pipe", "pipe", "pipe"] });
    this.process = child;
    let rest = "";
    child.stdin.on("error", () => {});
    child.stdout.setEncoding("utf8").on("data", (text) => {
      const whole = (rest + text).split("\n");
      rest = whole.pop();
      this.lines.push(...whole.map((line) => JSON.parse(line)));
    });
    child.stderr.setEncoding("utf8").on("data", (text) => (this.log += text));
    this.ended = new Promise((resolve) => {
      child.on("error", (error) => (this.log += error.message));
      child.on("close", resolve);
    });
    t.after(() => {
      child.stdin.end();
      child.kill("SIGKILL");
      return this.ended;
    });
  }

  /** The first line of this kind that fits, from line number `from` on. */
  line(kind, { from = 0, within = 20_000, fits = () => true } = {}) {
    return until(`links says ${kind}`, () => {
      const found = this.lines.slice(from).find((line) => line.kind === kind && fits(line));
      if (!found && this.process.exitCode !== null) throw new Error(`it ended: ${this.log.slice(-1_000)}`);
      return found;
    }, { within, every: 5 });
  }

  all(kind) {
    return this.lines.filter((line) => line.kind === kind);
  }

  command(words) {
    this.process.stdin.write(`${words}\n`);
  }
}

/** One bare mesh, which only links and publishes. */
export class BareNode extends Program {
  /** Options: `listen` (an address), `dial` (addresses), `programs` (a folder). */
  static async start(t, name, options = {}) {
    const node = BareNode.launch(t, name, options);
    await node.isListening();
    return node;
  }

  static launch(t, name, { listen = "quic/127.0.0.1:0", dial = [], programs = built } = {}) {
    const dials = dial.flatMap((address) => ["--dial", address]);
    return Object.assign(new BareNode(t, ["node", "--name", name, "--listen", listen, ...dials], programs), { name });
  }

  async isListening() {
    this.address = (await this.line("listening")).address;
  }

  /** Where it listens, as `IP:PORT`. */
  get socket() {
    return this.address.slice(this.address.indexOf("/") + 1);
  }

  dial(...addresses) {
    this.command(`dial ${addresses.join(" ")}`);
  }

  /** How long the dial of this address took until there was a link, in ms. */
  async linked(address, options) {
    return (await this.line("linked", { fits: (line) => line.address === address, ...options })).ms;
  }

  /** Publishes at an even rate; resolves after the last message. */
  async publish(rate, bytes, seconds) {
    const from = this.lines.length;
    this.command(`publish ${rate} ${bytes} ${seconds}`);
    return this.line("published", { from, within: (seconds + 20) * 1_000 });
  }

  /** Its measurements, since the last report or since the start. */
  async report() {
    const from = this.lines.length;
    this.command("report");
    return this.line("report", { from });
  }

  /** Closes its links and ends; resolves with the moment when it began to. */
  async quit() {
    this.command("quit");
    await this.ended;
    return this.all("closing")[0].at_ms;
  }
}

/** Bare meshes that all link to each other; each starts with the addresses of all others. */
export async function bareMesh(t, count, { programs, protocol = "quic" } = {}) {
  const addresses = [];
  while (addresses.length < count) addresses.push(`${protocol}/127.0.0.1:${await freePort()}`);
  const began = Date.now();
  const nodes = addresses.map((listen, place) =>
    BareNode.launch(t, `bare-${place}`, { listen, dial: addresses.filter((other) => other !== listen), programs }));
  const launched = Date.now();
  await Promise.all(nodes.map((node) => node.isListening()));
  const links = await Promise.all(nodes.flatMap((node) => addresses.filter((address) => address !== node.address)
    .map((address) => node.line("linked", { fits: (line) => line.address === address }))));
  const whole = Math.max(began, ...links.map((line) => line.at_ms));
  return { nodes, began, launched, whole };
}

/**
 * A network for each of `pairs` (`[listen, to]`, each `IP:PORT`): `loss` in percent, one-way `delay` and `jitter` in ms.
 * Resolves with where they listen.
 */
export async function network(t, pairs, { loss = 0, delay = 0, jitter = 0, inOrder = false, seed = 1, programs = built } = {}) {
  const options = { loss, delay, jitter, seed };
  const relays = new Program(t, [
    "relay", ...pairs.flatMap(([listen, to]) => ["--pair", `${listen}=${to}`]),
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]), ...(inOrder ? ["--in-order"] : []),
  ], programs);
  return (await relays.line("relaying")).addresses;
}

/**
 * An attacker of `IP:PORT` without the secret, from this number of addresses. Resolves when it has begun, `done()` with what it
 * did.
 */
export async function attack(t, to, { rate, seconds, tcp = false, kind = "hello", addresses = 1, programs = built }) {
  const many = addresses > 1 ? ["--from", "127.0.2.1", "--sockets", String(addresses), "--spread"] : [];
  const options = { to, rate, seconds, ...(tcp ? {} : { kind }) };
  const attacker = new Program(t, ["attack", ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]), ...(tcp ? ["--tcp"] : many)], programs);
  await attacker.line("attacking");
  return { done: () => attacker.line("attacked", { within: (seconds + 20) * 1_000 }) };
}
