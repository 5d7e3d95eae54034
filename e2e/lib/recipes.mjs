// The snippets of docs/recipes, run as their readers run them.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { documented } from "./frameworks.mjs";
import { environment } from "./environment.mjs";
import { root } from "./paths.mjs";

export const harnesses = join(root, "e2e/recipes");

/** The one snippet of a recipe, which asks a node at this address. A busy machine may take longer to answer than a page should wait. */
export function snippet(name, url) {
  const blocks = [...readFileSync(join(root, `docs/recipes/${name}.md`), "utf8").matchAll(/^```\w+\n([^]*?)^```$/gm)];
  if (blocks.length !== 1) throw new Error(`docs/recipes/${name}.md has ${blocks.length} snippets`);
  const patient = "fetchPresence(URL, room, { signal: AbortSignal.timeout(20_000) })";
  return blocks[0][1].replaceAll(documented, url).replaceAll(/\b0\.5\b/g, "20").replace("fetchPresence(URL, room)", patient);
}

/** The lines that a program prints. */
export async function lines(program, ...args) {
  const { stdout, stderr } = await promisify(execFile)(program, args, { env: environment({}), timeout: 30_000 });
  if (stderr) throw new Error(`${program}: ${stderr}`);
  return stdout.trimEnd().split("\n");
}
