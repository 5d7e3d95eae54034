// The rules of ARCHITECTURE.md that no compiler keeps.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { root } from "../lib/paths.mjs";

const tracked = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" })
  .split("\0").filter(Boolean);
const read = (file) => readFileSync(`${root}/${file}`, "utf8");
const sources = tracked.filter((file) => /^crates\/[^/]+\/src\/.*\.rs$/.test(file));

/** Without comments, and without the unit tests at a file's end. */
function code(file) {
  return read(file).replaceAll(/\/\/.*$/gm, "").split("#[cfg(test)]")[0];
}

test("the engine is named in mesh.rs alone", () => {
  const naming = sources.filter((file) => /\bzenoh\b/i.test(code(file)));
  const allowed = /^crates\/presence-server\/src\/mesh(\.rs|\/[a-z_]+\.rs)$/;
  assert.deepEqual(naming.filter((file) => !allowed.test(file)), []);
});

test("the database is named in store.rs alone", () => {
  const naming = sources.filter((file) => /\bredb\b/i.test(code(file)));
  const allowed = /^crates\/presence-server\/src\/store(\.rs|\/[a-z_]+\.rs)$/;
  assert.deepEqual(naming.filter((file) => !allowed.test(file)), []);
});

test("the crates depend on each other in one direction", () => {
  const order = ["presence-core", "presence-cable", "presence-server", "presence-demo"];
  for (const [place, crate] of order.entries()) {
    const manifest = read(`crates/${crate}/Cargo.toml`);
    const dependencies = [...manifest.matchAll(/^(presence-[a-z]+)\b/gm)].map(([, name]) => name);
    for (const dependency of dependencies) {
      assert.ok(order.indexOf(dependency) < place, `${crate} depends on ${dependency}`);
    }
  }
});

test("core depends on the wire's derive and nothing else", () => {
  const manifest = read("crates/presence-core/Cargo.toml");
  const section = manifest.split(/^\[dependencies\]$/m)[1].split(/^\[/m)[0];
  assert.deepEqual(section.match(/^[a-z0-9_-]+/gm), ["minicbor"]);
});

test("every source file opens with what would be missing without it", () => {
  assert.deepEqual(sources.filter((file) => !/^\s*\/\/! \S/.test(read(file))), []);
});

test("no lint is switched off without a reason", () => {
  const silent = sources.filter((file) => /#!?\[allow\(/.test(read(file)) || /#!?\[expect\((?![^\]]*reason)[^\]]*\]/.test(read(file)));
  assert.deepEqual(silent, []);
});

test("no test is switched off", () => {
  const files = tracked.filter((file) => /\.(rs|mjs)$/.test(file) && !file.startsWith("e2e/tidy/"));
  assert.deepEqual(files.filter((file) => /#\[ignore|\b(test|it|describe)\.(skip|todo)\(/.test(read(file))), []);
});

test("lock files name no registry host", () => {
  const locks = tracked.filter((file) => file.endsWith("package-lock.json"));
  assert.ok(locks.length > 0);
  assert.deepEqual(locks.filter((file) => /"resolved"/.test(read(file))), []);
});
