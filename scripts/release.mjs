// `make release`: builds what ships and writes dist/: the program, its manual page and completion, a Debian package, a list of all
// that is in it (CycloneDX), the licences of that, and checksums. `node scripts/release.mjs PROGRAM FOLDER` takes a program that is built already.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { deb, shellFiles } from "./deb.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const run = (command, args, options) => execFileSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, ...options });

function built() {
  run("cargo", ["build", "--locked", "--profile", "dist", "-p", "presence-demo"], { stdio: "inherit" });
  return join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "dist/global-presence");
}

/** The crates that the program is linked from, as cargo resolves them: `{ name, version, license, checksum, path, ours }`. */
function crates() {
  const host = run("rustc", ["-vV"]).match(/^host: (.+)$/m)[1];
  const { packages, resolve } = JSON.parse(run("cargo", ["metadata", "--locked", "--format-version", "1", "--filter-platform", host]));
  const [byId, nodes] = [packages, resolve.nodes].map((list) => new Map(list.map((each) => [each.id, each])));
  const wanted = new Set();
  const take = (id) => {
    if (wanted.has(id)) return;
    wanted.add(id);
    for (const { pkg, dep_kinds } of nodes.get(id).deps) if (dep_kinds.some(({ kind }) => kind === null)) take(pkg);
  };
  take(packages.find(({ name }) => name === "presence-demo").id);
  const sums = new Map([...readFileSync(join(root, "Cargo.lock"), "utf8").matchAll(/name = "(.+)"\nversion = "(.+)"\nsource = .+\nchecksum = "(.+)"/g)]
    .map(([, name, version, sum]) => [`${name} ${version}`, sum]));
  return [...wanted].map((id) => byId.get(id)).map(({ name, version, license, source, manifest_path }) =>
    ({ name, version, license, checksum: sums.get(`${name} ${version}`), path: dirname(manifest_path), ours: source === null }))
    .sort((one, other) => one.name.localeCompare(other.name));
}

/** The npm packages that are bundled into what browsers load. */
function scripts() {
  const folder = join(root, "crates/presence-server");
  const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8"));
  return Object.entries(packages).filter(([path, { dev }]) => path && !dev)
    .map(([path, { version, license, integrity }]) => ({ name: path.replace(/^.*node_modules\//, ""), version, license, integrity }));
}

function sbom(version, linked) {
  const licences = (license) => (license ? [{ expression: license.replaceAll("/", " OR ") }] : []);
  const component = (purl) => ({ name, version, license, checksum, ours }) => ({
    type: "library", name, version, purl: ours ? undefined : `pkg:${purl}/${name.replace("@", "%40")}@${version}`, licenses: licences(license),
    hashes: checksum ? [{ alg: "SHA-256", content: checksum }] : undefined,
  });
  return {
    bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
    metadata: { component: { type: "application", name: "global-presence", version, licenses: licences("MIT") } },
    components: [...linked.map(component("cargo")), ...scripts().map(component("npm"))],
  };
}

/** The texts of all licences of crates; those of npm packages are in the file that the program serves. */
function licences(linked) {
  const texts = linked.filter(({ ours }) => !ours).map(({ name, version, license, path }) => {
    const files = readdirSync(path).filter((file) => /^(licen[cs]e|copying|notice|unlicense)/i.test(file)).sort();
    const text = files.map((file) => readFileSync(join(path, file), { encoding: "utf8" }).trim()).join("\n\n");
    return `${name} ${version}: ${license}\n\n${text}`;
  });
  const npm = scripts().map(({ name, version, license }) => `${name} ${version}: ${license}`);
  return [...texts, ...npm].join(`\n\n${"-".repeat(80)}\n\n`) + "\n";
}

export function release(program, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const linked = crates();
  const version = run(program, ["--version"]).match(/\d+\.\d+\.\d+/)[0];
  copyFileSync(program, join(folder, "global-presence"));
  chmodSync(join(folder, "global-presence"), 0o755);
  writeFileSync(join(folder, "sbom.cdx.json"), `${JSON.stringify(sbom(version, linked), undefined, 1)}\n`);
  writeFileSync(join(folder, "THIRD-PARTY-LICENCES.txt"), licences(linked));
  const shell = mkdtempSync(join(tmpdir(), "shell-"));
  const { completions } = shellFiles(program, shell);
  for (const name of ["global-presence.1", ...Object.values(completions)]) copyFileSync(join(shell, name), join(folder, name));
  rmSync(shell, { recursive: true });
  deb(join(folder, "global-presence"), version, folder, join(folder, "THIRD-PARTY-LICENCES.txt"));
  const sums = readdirSync(folder).sort().map((file) => `${createHash("sha256").update(readFileSync(join(folder, file))).digest("hex")}  ${file}\n`);
  writeFileSync(join(folder, "SHA256SUMS"), sums.join(""));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) release(process.argv[2] ?? built(), process.argv[3] ?? join(root, "dist"));
