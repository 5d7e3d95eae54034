// NATS servers, alone or in a supercluster whose gateways a test can cut, and a foreign client of them.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { Node, allHearAll, folder } from "./node.mjs";
import { root } from "./paths.mjs";
import { freePort } from "./ports.mjs";
import { until } from "./until.mjs";

/** What docs/operating/nats.md tells operators to set. */
export const tuned = readFileSync(join(root, "docs/operating/nats.md"), "utf8").match(/^(ping_interval|ping_max|write_deadline): .*$/gm);

/** This environment, with Debian's servers in the path. */
export function withServers() {
  return { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
}

/** A process of Debian's nats-server. */
export class NatsServer {
  /** Starts one with these further lines of configuration; `command` turns program and arguments into a command around them. */
  static async start(t, lines = tuned, { port, command = (program, line) => [program, line] } = {}) {
    const server = new NatsServer();
    server.command = command;
    server.port = port ?? (await freePort());
    server.file = join(folder(t), "nats.conf");
    server.write(lines);
    t.after(() => server.kill());
    await server.launch();
    return server;
  }

  write(lines) {
    writeFileSync(this.file, [`listen: "127.0.0.1:${this.port}"`, ...lines].join("\n"));
  }

  /** Gives it another configuration while it runs. */
  async configure(lines) {
    this.write(lines);
    const before = this.log.length;
    this.process.kill("SIGHUP");
    await until("the server has read it", () => /Reloaded server configuration|Failed to reload/.test(this.log.slice(before)));
    if (/Failed to reload/.test(this.log.slice(before))) throw new Error(this.log.slice(before));
  }

  get url() {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Starts the process, and waits until it listens. */
  async launch() {
    this.log = "";
    const child = spawn(...this.command("nats-server", ["--config", this.file]), { stdio: ["ignore", "pipe", "pipe"], env: withServers() });
    this.process = child;
    const keep = (text) => (this.log += text);
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", (error) => keep(`${error.message}\n`));
    this.ended = new Promise((resolve) => child.on("close", resolve));
    await until("nats-server is ready", () => {
      if (child.exitCode !== null) throw new Error(`it ended: ${this.log}`);
      return this.log.includes("Server is ready");
    }, { every: 5 });
  }

  async kill() {
    this.process.kill("SIGKILL");
    return this.ended;
  }
}

/** Starts nodes that are linked through NATS, one for each `{ region, name, servers, args }`, and waits until all hear all, at most `within` ms. */
export async function natsMesh(t, places, { within, ...options } = {}) {
  const nodes = [];
  for (const { region, name, servers, args = [] } of places) {
    const nats = servers.map((server) => server.url).join(",");
    nodes.push(await Node.prepare(t, { region, name, nats, host: `${region}.localhost`, ...options, args: [...(options.args ?? []), ...args] }));
  }
  await Promise.all(nodes.map((node) => node.start({ within })));
  await allHearAll(nodes, { within });
  return nodes;
}

/** How many times a node has connected to a NATS server: twice at its start, for messages and for requests. */
export function timesConnected(node) {
  return node.log.match(/connected to a NATS server/g)?.length ?? 0;
}

/** Two servers of one region. A node that knows one of them learns of the other. */
export async function cluster(t) {
  const ports = [await freePort(), await freePort()];
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  return Promise.all(ports.map((port) => NatsServer.start(t, [...tuned, `cluster { name: "region", listen: "127.0.0.1:${port}", routes: [${routes}] }`])));
}

/**
 * One NATS server for each name, all joined by gateways. `cut(a, b)` holds what these two say to each other, as a network does
 * that drops packets: connections stay open, and what waits arrives after `heal(a, b)`. `inGateway` is more for each block of a
 * gateway. `gatewayUrl(name)` is where that gateway is dialled.
 */
export async function supercluster(t, names, lines = tuned, inGateway = "") {
  const held = new Set();
  const pair = (a, b) => [a, b].sort().join(" ");
  const gateways = {};
  for (const name of names) {
    const port = await freePort();
    gateways[name] = { port, front: await gatewayFront(t, port, (dialler) => held.has(pair(name, dialler))) };
  }
  const servers = {};
  for (const name of names) {
    const { port, front } = gateways[name];
    const others = names.filter((other) => other !== name).map((other) => `{ name: "${other}", url: "nats://127.0.0.1:${gateways[other].front.port}" }`);
    const gateway = `gateway { name: "${name}", listen: "127.0.0.1:${port}", advertise: "127.0.0.1:${front.port}", gateways: [${others.join(", ")}]\n${inGateway}\n}`;
    servers[name] = await NatsServer.start(t, [`server_name: "${name}"`, ...lines, gateway]);
  }
  const change = (hold) => (a, b) => {
    if (hold) held.add(pair(a, b));
    else held.delete(pair(a, b));
    for (const { front } of Object.values(gateways)) front.review();
  };
  return { servers, cut: change(true), heal: change(false), gatewayUrl: (name) => `nats://127.0.0.1:${gateways[name].front.port}` };
}

/** A proxy before a gateway. Which server dials is read from what it says first. */
async function gatewayFront(t, port, isHeld) {
  const open = new Set();
  const server = net.createServer((front) => {
    const back = net.connect(port, "127.0.0.1");
    const link = { front, back, dialler: undefined };
    open.add(link);
    for (const [from, to] of [[front, back], [back, front]]) {
      from.on("error", () => {});
      from.on("close", () => {
        open.delete(link);
        to.destroy();
      });
    }
    back.on("data", (data) => front.write(data));
    front.on("data", (data) => {
      link.dialler ??= data.toString("latin1").match(/"gateway":"(\w+)"/)?.[1];
      review(link);
      link.waiting = [...(link.waiting ?? []), data];
      pass(link);
    });
  });
  const pass = (link) => {
    if (link.held) return;
    for (const data of link.waiting ?? []) link.back.write(data);
    link.waiting = [];
  };
  const review = (link) => {
    link.held = link.dialler !== undefined && isHeld(link.dialler);
    for (const end of [link.front, link.back]) {
      if (link.held) end.pause();
      else end.resume();
    }
    pass(link);
  };
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const { front } of open) front.destroy();
    server.close();
  });
  return { port: server.address().port, review: () => open.forEach(review) };
}

/** A client of a NATS server that reads and keeps everything, and may publish anything: another tenant, or its operator. */
export async function tap(t, server) {
  const socket = net.connect(server.port, "127.0.0.1");
  // The server may end first.
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  const messages = [];
  let rest = Buffer.alloc(0);
  socket.on("data", (data) => {
    rest = Buffer.concat([rest, data]);
    for (;;) {
      const end = rest.indexOf("\r\n");
      if (end < 0) return;
      const words = rest.subarray(0, end).toString("latin1").split(" ");
      if (words[0] === "MSG") {
        const size = Number(words.at(-1));
        if (rest.length < end + 2 + size + 2) return;
        messages.push({ subject: words[1], reply: words.length === 5 ? words[3] : undefined, payload: Buffer.from(rest.subarray(end + 2, end + 2 + size)) });
        rest = rest.subarray(end + 2 + size + 2);
        continue;
      }
      if (words[0] === "PING") socket.write("PONG\r\n");
      if (words[0] === "PONG") pongs += 1;
      rest = rest.subarray(end + 2);
    }
  });
  let pongs = 0;
  socket.write('CONNECT {"verbose":false,"pedantic":false}\r\nSUB > 1\r\n');
  const flush = async () => {
    const before = pongs;
    socket.write("PING\r\n");
    await until("the server has taken all", () => pongs > before, { every: 5 });
  };
  await flush();
  return {
    messages, flush,
    publish({ subject, reply, payload }) {
      socket.write(`PUB ${subject}${reply ? ` ${reply}` : ""} ${payload.length}\r\n`);
      socket.write(payload);
      socket.write("\r\n");
    },
  };
}
