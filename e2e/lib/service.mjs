// A node run as a service, by what does for it what systemd does, on a socket that is handed over.
import { existsSync, readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { Node, folder } from "./node.mjs";
import { root } from "./paths.mjs";
import { until } from "./until.mjs";

export class Service extends Node {
  /** Starts the service, and waits until the node has said that it serves and is ready. Options as for a node, and `home`. */
  static async start(t, options = {}) {
    const service = Object.setPrototypeOf(await Node.prepare(t, options), Service.prototype);
    service.home = options.home ?? folder(t);
    const manager = [join(root, "e2e/lib/service_manager.py"), service.home, `127.0.0.1:${service.port}`];
    const around = options.command ?? ((program, line) => [program, line]);
    // The manager ends, and its child with it, when its standard input does.
    service.options = { ...options, stdin: "pipe", command: (program, line) => around("python3", [...manager, options.program ?? program, ...line]) };
    await Node.prototype.start.call(service, { ready: false });
    await service.untilSaid("READY=1");
    await service.untilReady();
    return service;
  }

  /** What the manager has reported: `{ started }`, `{ ended }`, `{ said }`. */
  get reports() {
    const file = join(this.home, "reports");
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line)) : [];
  }

  /** How often the process has said this. */
  said(text) {
    return this.reports.filter(({ said }) => said === text).length;
  }

  async untilSaid(text, times = 1) {
    await until(`it says ${text} ${times} times`, () => this.said(text) >= times, { within: 20_000 }).catch((error) => {
      throw new Error(`${error.message}\n${this.log}\n${this.ownLog.slice(-2_000)}`);
    });
  }

  /** What the node itself has logged. */
  get ownLog() {
    return readFileSync(join(this.home, "log"), "utf8");
  }

  /** The process of the node itself. */
  get pid() {
    return this.reports.findLast(({ started }) => started)?.started;
  }

  /** start, stop, restart, reload, status: resolves with the state after it. */
  systemctl(word) {
    return new Promise((resolve, reject) => {
      let state = "";
      const asked = net.connect(join(this.home, "control"), () => asked.write(word));
      asked.setEncoding("utf8").on("data", (text) => (state += text)).on("end", () => resolve(state)).on("error", reject);
    });
  }

  signal(name) {
    process.kill(this.pid, name);
  }

  async stop() {
    this.process?.stdin.end();
    await this.ended;
  }
}
