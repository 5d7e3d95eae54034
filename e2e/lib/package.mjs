// The npm package live-presence: packed, installed in a folder of the test, and used by the sites of e2e/package.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { environment } from "./environment.mjs";
import { folder } from "./node.mjs";
import { root } from "./paths.mjs";

const sources = join(root, "e2e/package");
export const sites = ["plain", "react", "vue", "svelte"];

/** Runs a program; its output, or an error that holds it. */
async function output(program, args, cwd) {
  return promisify(execFile)(program, args, { cwd, env: environment({}), timeout: 240_000 }).then(({ stdout }) => stdout).catch((error) => {
    throw new Error(`${program} ${args.join(" ")}: ${error.message}\n${error.stdout}${error.stderr}`);
  });
}

/** Packs the package; the address of the archive and the names of the files in it. */
export async function pack(t) {
  const out = folder(t);
  const [packed] = JSON.parse(await output("npm", ["pack", "--json", "--pack-destination", out], join(root, "packages/live-presence")));
  return { archive: join(out, packed.filename), files: packed.files.map(({ path }) => path) };
}

/** A folder with the sites, the package from its archive, and the frameworks. `run(program, ...)` runs one of their programs. */
export async function project(t) {
  const place = folder(t);
  const { archive, files } = await pack(t);
  writeFileSync(join(place, "package.json"), JSON.stringify({ name: "sites", private: true, type: "module" }));
  await output("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", archive], place);
  for (const name of sites) cpSync(join(sources, name), join(place, name), { recursive: true });
  const modules = join(sources, "node_modules");
  for (const name of readdirSync(modules).filter((entry) => !entry.startsWith("."))) symlinkSync(join(modules, name), join(place, "node_modules", name));
  const run = (program, ...args) => output(join(modules, ".bin", program), args, place);
  const build = async (name) => {
    const out = join(place, "out", name);
    mkdirSync(out, { recursive: true });
    await run("vite", "build", name, "--outDir", out, "--emptyOutDir", "--logLevel", "warn");
    return out;
  };
  return { place, files, run, build };
}
