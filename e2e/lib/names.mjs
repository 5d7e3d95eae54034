// Host names for the processes of a test: an /etc/hosts in a private mount namespace.
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mountNamespace } from "./namespace.mjs";
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
  const { command } = await mountNamespace(t, `mount --bind "${path}" /etc/hosts`);
  return { add, command };
}
