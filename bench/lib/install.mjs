// Builds and installs the measured programs, and says which are missing.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bench, root, programs, target } from "./paths.mjs";
import { output, passes } from "./run.mjs";

export const bun = join(bench, `peers/node/node_modules/@oven/bun-linux-${process.arch === "arm64" ? "aarch64" : "x64"}/bin/bun`);
export const naive = join(target, "naive/release/naive");

const DEBIAN = ["ruby-actioncable", "ruby-railties", "ruby-actionpack", "ruby-redis", "puma", "redis-server"];

/** Our own programs, as they ship. */
export function build() {
  if (process.env.BENCH_PROGRAMS) return;
  const crates = ["presence-demo", "presence-bench-app", "presence-bench"].flatMap((name) => ["-p", name]);
  if (!passes("cargo", ["build", "--profile", "dist", ...crates], { cwd: root })) throw new Error("our own programs can't be built");
}

/** Peers by name: `undefined` if one can be measured, else the reason why not. */
export function peers({ rails }) {
  const folder = join(bench, "peers/node");
  if (!existsSync(join(folder, "node_modules/ws"))) passes("npm", ["ci", "--ignore-scripts"], { cwd: folder });
  const npm = existsSync(join(folder, "node_modules/ws")) ? undefined : "npm could not install it";
  const built = passes("cargo", ["build", "--release", "--manifest-path", join(bench, "peers/naive/Cargo.toml"), "--target-dir", join(target, "naive")]);
  return {
    bun: npm ?? (output(bun, ["--version"]) ? undefined : "its binary is not in the npm package for this machine"),
    ws: npm,
    socketio: npm,
    naive: built ? undefined : "it could not be built",
    rails: rails ? debian() : undefined,
  };
}

function debian() {
  const isInstalled = () => output("puma", ["--version"]) && output("redis-server", ["--version"]) && output("ruby", ["-e", "require 'action_cable'"]) !== undefined;
  if (isInstalled()) return undefined;
  const asRoot = process.getuid() === 0 ? [] : ["sudo", "-n"];
  const apt = (...args) => {
    const [command, ...rest] = [...asRoot, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
    return passes(command, rest);
  };
  if (apt("update", "-q")) apt("install", "-q", "-y", "--no-install-recommends", ...DEBIAN);
  return isInstalled() ? undefined : "Debian's packages could not be installed here";
}

/** The exact versions of what was measured. */
export function versions() {
  const npm = (name) => JSON.parse(readFileSync(join(bench, "peers/node/node_modules", name, "package.json"), "utf8")).version;
  const tried = (read) => {
    try {
      return read();
    } catch {
      return undefined;
    }
  };
  const locked = (name) => readFileSync(join(bench, "peers/naive/Cargo.lock"), "utf8").match(new RegExp(`name = "${name}"\nversion = "([^"]+)"`))?.[1];
  const rails = output("ruby", ["-e", "require 'action_cable'; print ActionCable.version"]);
  const commit = output("git", ["rev-parse", "--short=12", "HEAD"], { cwd: root });
  const changed = output("git", ["status", "--porcelain", "--untracked-files=no"], { cwd: root }) ? ", with changes" : "";
  return {
    ours: `${output(join(programs, "global-presence"), ["--version"])?.split(" ").at(-1)} (commit ${commit}${changed}), ${output("rustc", ["--version"])?.replace(/ \(.*/, "")}`,
    bun: output(bun, ["--version"]),
    ws: tried(() => `${npm("ws")} on Node.js ${process.version}`),
    socketio: tried(() => `${npm("socket.io")} on Node.js ${process.version}`),
    naive: `axum ${locked("axum")}, tokio ${locked("tokio")}, tungstenite ${locked("tungstenite")}`,
    rails: rails && `${rails}, puma ${output("puma", ["--version"])?.split(" ").at(-1)}, ${output("ruby", ["--version"])?.split(" (")[0]}, Redis ${output("redis-server", ["--version"])?.match(/v=(\S+)/)?.[1]}`,
  };
}
