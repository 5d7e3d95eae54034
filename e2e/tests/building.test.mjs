// A build without Node.js, or with an old one, ends with one sentence that says what to install.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folder } from "../lib/node.mjs";
import { root, target } from "../lib/paths.mjs";

const crate = join(root, "crates/presence-server");

/** The newest compiled build script of the crate. */
function buildScript() {
  const folders = join(target, "release/build");
  const built = readdirSync(folders).filter((name) => /^presence-server-[0-9a-f]+$/.test(name))
    .map((name) => join(folders, name, "build-script-build")).filter((file) => existsSync(file));
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0] ?? assert.fail("it is not built");
}

/** Builds with only these programs, each a name with its version. */
function build(t, programs) {
  const path = folder(t);
  for (const [name, version] of Object.entries(programs)) {
    writeFileSync(join(path, name), `#!/bin/sh\necho ${version}\n`);
    chmodSync(join(path, name), 0o755);
  }
  const { status, stderr } = spawnSync(buildScript(), { cwd: crate, encoding: "utf8", env: { CARGO_MANIFEST_DIR: crate, OUT_DIR: folder(t), PATH: path } });
  assert.equal(status, 1);
  return stderr;
}

const needs = "Building the browsers' scripts needs Node.js 18 or newer with npm 8 or newer, but";

test("without Node.js, without npm, or with an old one, the build says what to install", (t) => {
  assert.equal(build(t, {}), `${needs} \`node\` was not found: install it from https://nodejs.org.\n`);
  assert.equal(build(t, { node: "v20.1.0" }), `${needs} \`npm\` was not found: install it from https://nodejs.org.\n`);
  assert.equal(build(t, { node: "v16.20.2" }), `${needs} this \`node\` is v16.20.2: install a newer one from https://nodejs.org.\n`);
  assert.equal(build(t, { node: "v18.0.0", npm: "7.24.0" }), `${needs} this \`npm\` is 7.24.0: install a newer one from https://nodejs.org.\n`);
});
