// A machine with an installed node, on which the commands of docs/operating are run as they are printed there: with other paths and
// ports, and with stand-ins for what a test can't have (systemd, apt, the machine's clock).
import { execFile } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folder } from "./node.mjs";
import { program, root } from "./paths.mjs";
import { freePort } from "./ports.mjs";
import { Service } from "./service.mjs";

/** What `openssl rand -hex` prints; a shell reads the options, so they have no spaces. */
const [secret, apiKey] = ["5ec7e7".repeat(8), "ab1e".repeat(8)];

/** The blocks of commands below a heading of a page in docs/operating. */
export function blocks(page, heading) {
  const text = readFileSync(join(root, "docs/operating", page), "utf8");
  let [headings, below, block] = [0, false];
  const found = [];
  for (const line of text.split("\n")) {
    // A comment among commands begins as a heading does.
    if (block === undefined && /^##? /.test(line)) {
      below = line.replace(/^##? /, "") === heading;
      headings += below;
    } else if (line.startsWith("```")) {
      if (block?.sh && below) found.push(block.text);
      block = block === undefined ? { sh: line === "```sh", text: "" } : undefined;
    } else if (block) block.text += `${line}\n`;
  }
  if (headings !== 1) throw new Error(`docs/operating/${page} has ${headings} headings "${heading}"`);
  if (found.length === 0) throw new Error(`docs/operating/${page} has no commands below "${heading}"`);
  return found;
}

/** Programs that stand before those of this machine in the path; `$HOME_` is the folder of the service. */
const stand_ins = {
  systemctl: `word=$1
for unit in "$@"; do
  case $unit in --now) [ $word = enable ] && word=start; [ $word = disable ] && word=stop;; *.socket) units="$units socket";; esac
done
case $word in status) state=$(control status); echo "Active: $state"; [ "$state" != inactive ];; *) control $word > /dev/null;; esac`,
  journalctl: 'tail -n 1000 "$HOME_/log"',
  timedatectl: 'case $* in "set-ntp true") echo +0 > "$HOME_/clock";; *) date;; esac',
  pidof: "control status | cut -d ' ' -f 2",
  editor: 'echo "$EDITED" >> "$1"',
  // The package's script restarts the service; e2e/tests/release.test.mjs installs real ones.
  "apt-get": 'for file; do :; done; cp "$HOME_/$(basename "$file")" "$HOME_/bin/global-presence.new" && mv "$HOME_/bin/global-presence.new" "$HOME_/bin/global-presence" && control restart > /dev/null',
};

export class Machine {
  /** Installs a node and starts it unless `start: false`. `options`: GP_* of its file. `command` as for a node. */
  static async create(t, { options = {}, command, start = true, dataDir, peers = [], env } = {}) {
    const machine = new Machine();
    Object.assign(machine, { t, command, env, home: folder(t), dataDir: join(folder(t), "data"), backups: join(folder(t), "copy") });
    // As systemd makes the state directory of a dynamic user.
    symlinkSync(dataDir ?? folder(t), machine.dataDir);
    [machine.port, machine.metricsPort, machine.meshPort] = [await freePort(), await freePort(), await freePort()];
    mkdirSync(join(machine.home, "bin"));
    copyFileSync(program, join(machine.home, "bin/global-presence"));
    const control = `control() { python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode()); print(s.recv(100).decode())' "$HOME_/control" "$1"; }`;
    for (const [name, text] of Object.entries(stand_ins)) {
      writeFileSync(join(machine.home, "bin", name), `#!/bin/bash\nHOME_=${machine.home}\n${control}\n${text}\n`);
      chmodSync(join(machine.home, "bin", name), 0o755);
    }
    machine.configure({
      GP_SECRET: secret, GP_API_KEY: apiKey, GP_PUBLIC_URL: `https://example.org,http://localhost:${machine.port}`, GP_METRICS_LISTEN: `127.0.0.1:${machine.metricsPort}`, GP_DATA_DIR: machine.dataDir,
      GP_MESH_LISTEN: machine.meshAddress, GP_MESH_PEER: peers.map((peer) => peer.meshAddress).join(), ...options,
    });
    if (start) await machine.start();
    return machine;
  }

  get meshAddress() {
    return `quic/127.0.0.1:${this.meshPort}`;
  }

  get optionsFile() {
    return join(this.home, "env");
  }

  /** Sets options in the shipped example of the file. */
  configure(options) {
    const file = existsSync(this.optionsFile) ? this.optionsFile : join(root, "deploy/global-presence.env");
    const lines = readFileSync(file, "utf8").split("\n").filter((line) => !(line.replace("#", "").split("=")[0] in options));
    const set = Object.entries(options).filter(([, value]) => value !== "").map(([name, value]) => `${name}=${value}`);
    writeFileSync(this.optionsFile, [...lines, ...set, ""].join("\n"));
  }

  async start() {
    this.service = await Service.start(this.t, {
      home: this.home, port: this.port, unnamed: true, command: this.command, program: join(this.home, "bin/global-presence"),
      env: { GP_SECRET: secret, GP_API_KEY: apiKey, ...this.env },
    });
    return this;
  }

  /** Runs commands in the shell of docs/operating/README.md; resolves with what they print, or fails as they do. */
  run(commands, { env = {} } = {}) {
    const [preamble] = blocks("README.md", "The shell");
    const places = [
      ["/etc/global-presence/env", this.optionsFile], ["/var/lib/global-presence", this.dataDir], ["/var/backups/global-presence", this.backups],
      ["127.0.0.1:4000", `127.0.0.1:${this.port}`], [":4000", `:${this.port}`], ["127.0.0.1:9400", `127.0.0.1:${this.metricsPort}`],
    ];
    const script = places.reduce((text, [from, to]) => text.replaceAll(from, to), `${preamble}\n${commands}`);
    const around = this.command ?? ((program, args) => [program, args]);
    const [command, args] = around("bash", ["--norc", "-ec", script]);
    const path = `${join(this.home, "bin")}:${process.env.PATH}:/usr/sbin:/sbin`;
    return new Promise((resolve, reject) => {
      execFile(command, args, { env: { PATH: path, GP_LISTEN: `127.0.0.1:${this.port}`, ...env }, timeout: 60_000 }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${commands}\nended with ${error.code ?? error.signal}:\n${stdout}\n${stderr}`));
        else resolve(stdout);
      });
    });
  }

  /** What a query of the API answers, as the printed commands ask it. */
  async ask(path) {
    return JSON.parse(await this.run(`ask '${path}'`));
  }

  /** The states of all regions, as this node sees them. */
  async states() {
    const { regions } = await this.ask("/api/v1/mesh");
    return Object.fromEntries(regions.map(({ region, state }) => [region, state]));
  }
}
