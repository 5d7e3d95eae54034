// The folder to start from builds outside of this repository, its test passes, and it serves.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folder, Node } from "../lib/node.mjs";
import { root, target } from "../lib/paths.mjs";

/** The manifest with the repository's folder for its address, and its profile, so that no dependency is compiled again. */
function buildable(manifest) {
  const [dependency, profile] = [/^presence-server = \{ git = "[^"]+" \}$/m, /^\[profile\.release\]\n(?:\w.*\n)*/m];
  assert.match(manifest, dependency);
  assert.match(manifest, profile);
  const workspace = readFileSync(join(root, "Cargo.toml"), "utf8");
  const [repositorys] = workspace.match(profile);
  const [ofDependencies] = workspace.match(/^\[profile\.release\.package\."\*"\]\n(?:\w.*\n)*/m);
  // Quickly compiled: how fast it runs does not matter here.
  const quick = ["core", "cable", "server"].map((name) => `[profile.release.package.presence-${name}]\nopt-level = 0\n`);
  return manifest
    .replace(dependency, `presence-server = { path = ${JSON.stringify(join(root, "crates/presence-server"))} }`)
    .replace(profile, repositorys + ofDependencies + quick.join(""));
}

test("a copy of examples/starter builds, passes its test and serves", { timeout: 1_800_000 }, async (t) => {
  const copy = join(folder(t), "hands");
  cpSync(join(root, "examples/starter"), copy, { recursive: true });
  const manifest = readFileSync(join(copy, "Cargo.toml"), "utf8");
  writeFileSync(join(copy, "Cargo.toml"), buildable(manifest));
  // What was fetched and compiled for the repository is enough.
  cpSync(join(root, "Cargo.lock"), join(copy, "Cargo.lock"));
  const cargo = (...words) => spawnSync("cargo", [...words, "--release", "--offline"], { cwd: copy, encoding: "utf8", env: { ...process.env, CARGO_TARGET_DIR: target } });
  for (const command of ["test", "build"]) {
    const { status, stdout, stderr } = cargo(command);
    assert.equal(status, 0, `cargo ${command}:\n${stdout}${stderr}`);
    if (command === "test") assert.match(stdout, /test result: ok\. 1 passed/);
  }
  const node = await Node.start(t, { program: join(target, "release/starter") });
  assert.match((await node.get("/")).body, /0 of 1 hand up/);
  assert.equal((await node.get("/robots.txt")).status, 200);
});
