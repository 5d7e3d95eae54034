// The rules of ARCHITECTURE.md that no compiler keeps.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { root } from "../lib/paths.mjs";
import { read, rust, tracked } from "../lib/tree.mjs";

const sources = rust("src");

/** Without comments, and without the unit tests at a file's end. */
function code(file) {
  return read(file).replaceAll(/\/\/.*$/gm, "").split("#[cfg(test)]")[0];
}

test("QUIC is named in mesh/quic alone", () => {
  const naming = sources.filter((file) => /\bquinn(_proto)?::/.test(code(file)));
  const allowed = /^crates\/presence-server\/src\/mesh\/quic(\.rs|\/[a-z_]+\.rs)$/;
  assert.ok(naming.length > 0);
  assert.deepEqual(naming.filter((file) => !allowed.test(file)), []);
});

test("NATS' client is named in two files of nats/ alone", () => {
  const naming = sources.filter((file) => /\basync_nats::/.test(code(file)));
  assert.deepEqual(naming, ["client", "links"].map((name) => `crates/presence-server/src/nats/${name}.rs`));
});

test("links between nodes stay small: 1,400 lines, no file over 300", () => {
  const files = sources.filter((file) => file.startsWith("crates/presence-server/src/mesh/"));
  const lines = files.map((file) => read(file).split("\n").length - 1);
  assert.ok(lines.length > 5);
  assert.ok(lines.every((count) => count <= 300), `${files} ${lines}`);
  const sum = lines.reduce((all, count) => all + count, 0);
  assert.ok(sum <= 1_400, `${sum} lines`);
});

test("the crates that were taken out stay out", () => {
  const lock = read("Cargo.lock");
  assert.ok(!/zenoh|uhlc/i.test(lock));
  const crates = lock.match(/^name = /gm).length;
  // 300; three for completion and manual pages (clap_complete, clap_mangen, roff); 34 for NATS' client, 28 of them for files of
  // credentials: docs/decisions/0032.
  assert.ok(crates <= 340, `${crates} crates in the lock file`);
});

test("the database is named in store.rs alone", () => {
  const naming = sources.filter((file) => /\bredb\b/i.test(code(file)));
  const allowed = /^crates\/presence-server\/src\/store(\.rs|\/[a-z_]+\.rs)$/;
  assert.deepEqual(naming.filter((file) => !allowed.test(file)), []);
});

test("the hub names no client protocol", () => {
  const hub = sources.filter((file) => /^crates\/presence-server\/src\/hub(\.rs|\/)/.test(file));
  assert.ok(hub.length > 10);
  assert.deepEqual(hub.filter((file) => /action_?cable|cable_?ready|stimulus|turbo|presence_?v1|embed/i.test(code(file))), []);
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

test("core depends on what reads and writes the wire and apps' values, and nothing else", () => {
  const manifest = read("crates/presence-core/Cargo.toml");
  const section = manifest.split(/^\[dependencies\]$/m)[1].split(/^\[/m)[0];
  assert.deepEqual(section.match(/^[a-z0-9_-]+/gm), ["minicbor", "serde", "serde_json"]);
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

test("a new feature is one file and one line", () => {
  const folder = "crates/presence-demo/src";
  const list = read(`${folder}/lib.rs`).match(/^features! \{\n((?: {4}\w+,\n)+)\}$/m)[1].match(/\w+/g);
  const features = sources.filter((file) => file.startsWith(folder) && /\bFEATURE: Feature\b/.test(code(file)));
  assert.deepEqual(features.map((file) => file.slice(folder.length + 1, -".rs".length)), [...list].sort());
  for (const name of list) {
    // Besides the list, and what stands in a comment, lib.rs names none of them.
    assert.equal(code(`${folder}/lib.rs`).match(new RegExp(`\\b${name}\\b(?!\\()`, "g")).length, name === "page" ? 2 : 1, name);
  }
  const worked = "crates/presence-demo/tests/worked/applause.rs";
  assert.match(read(worked), /\bFEATURE: Feature\b/);
  assert.ok(read("CONTRIBUTING.md").includes(`](${worked})`));
});

test("everything that the library offers has an example in its documentation", () => {
  const library = read("crates/presence-server/src/lib.rs");
  const offered = [...library.matchAll(/^pub use [^;]+;/gm)].flatMap(([use]) => use.replace(/^pub use [\w:]*::/, "").match(/\w+/g));
  const own = [...library.matchAll(/^pub (?:struct|enum) (\w+)/gm)].map(([, name]) => name);
  assert.ok(offered.length > 25 && own.length > 1);
  const all = [...sources, "crates/presence-server/client/bundle.mjs"].filter((file) => /presence-(core|server)/.test(file)).map((file) => read(file));
  for (const name of [...offered, ...own]) {
    const item = new RegExp(`((?:^ *(?:///|#\\[).*\\n)+)pub (?:struct|enum|trait|fn|const) ${name}\\b`, "m");
    const documented = all.map((text) => text.match(item)?.[1]).find((found) => found) ?? assert.fail(`${name} is documented nowhere`);
    assert.match(documented.replaceAll("\\`", "`"), /```|example is at/, name);
  }
});

test("every source file is formatted, those in the list of features, too", () => {
  execFileSync("rustfmt", ["--edition", "2024", "--check", ...sources], { cwd: root, encoding: "utf8" });
});

test("lock files name no registry host", () => {
  const locks = tracked.filter((file) => file.endsWith("package-lock.json"));
  assert.ok(locks.length > 0);
  assert.deepEqual(locks.filter((file) => /"resolved"/.test(read(file))), []);
});
