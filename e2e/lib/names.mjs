// Names that mean what a test says, for the processes that it starts: an own /etc/hosts in a private mount namespace.
import { spawn } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folder } from "./node.mjs";

/**
 * `{ command(program, args), add(name, address) }`: programs are started by `command` to resolve the names that were
 * added so far, and those that are added later.
 */
export async function ownNames(t, names = {}) {
  const path = join(folder(t), "hosts");
  writeFileSync(path, "127.0.0.1 localhost\n");
  const add = (name, ...addresses) => appendFileSync(path, addresses.map((address) => `${address} ${name}\n`).join(""));
  for (const [name, addresses] of Object.entries(names)) add(name, ...[addresses].flat());
  const holder = spawn("unshare", ["--user", "--map-root-user", "--mount", "sh", "-c",
    `mount --bind "${path}" /etc/hosts && echo mounted && exec sleep 3600`], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => holder.kill("SIGKILL"));
  await new Promise((resolve, reject) => {
    let complaint = "";
    holder.stderr.on("data", (text) => (complaint += text));
    holder.stdout.once("data", resolve);
    holder.once("exit", () => reject(new Error(`no names of our own: ${complaint}`)));
  });
  return {
    add,
    command: (program, args) => ["nsenter", ["--preserve-credentials", "--user", "--mount", `--target=${holder.pid}`, program, ...args]],
  };
}
