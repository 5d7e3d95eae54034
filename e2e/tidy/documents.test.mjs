// Documents that a stranger relies on: the click's way, their lengths, their links.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { root } from "../lib/paths.mjs";

const read = (file) => readFileSync(join(root, file), "utf8");

/** Rows of ARCHITECTURE's table of a click: `| 5 | where | `file` | `function` | ... |`. */
function clickTable() {
  const section = read("ARCHITECTURE.md").split(/^## The way of one click$/m)[1].split(/^## /m)[0];
  return section.split("\n").filter((line) => /^\| *\d/.test(line)).map((line) => {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    return { place: cells[1], files: [...cells[3].matchAll(/`([^`]+)`/g)].map(([, file]) => file), functions: [...cells[4].matchAll(/`([^`]+)`/g)].map(([, name]) => name) };
  });
}

test("every file of the click's way exists and holds the function that is named", () => {
  const rows = clickTable();
  assert.ok(rows.length >= 10);
  for (const { place, files, functions } of rows) {
    for (const file of files) assert.ok(existsSync(join(root, file)), `row ${place}: ${file}`);
    for (const name of functions) {
      const held = files.some((file) => !file.endsWith(".rs") || new RegExp(`\\bfn ${name}\\b`).test(read(file)));
      assert.ok(held, `row ${place}: no function ${name} in ${files}`);
    }
    if (files.some((file) => file.endsWith(".rs"))) assert.ok(functions.length > 0, `row ${place} names no function`);
  }
});

test("every file of the code map exists, and every source file is on it", () => {
  const map = read("ARCHITECTURE.md").split(/^## Code map$/m)[1].split(/^## /m)[0];
  const crates = readdirSync(join(root, "crates"));
  for (const crate of crates) {
    const section = map.split(new RegExp(`^### \`${crate}\``, "m"))[1]?.split(/^### /m)[0] ?? assert.fail(`no section for ${crate}`);
    const named = [...section.matchAll(/`([a-z_/]+\.rs)`/g)].map(([, file]) => file);
    for (const file of named) assert.ok(existsSync(join(root, "crates", crate, "src", file)), `${crate}: ${file}`);
    for (const file of readdirSync(join(root, "crates", crate, "src")).filter((name) => name.endsWith(".rs"))) {
      assert.ok(named.includes(file), `${crate}/src/${file} is not on the map`);
    }
  }
});

test("documents stay short", () => {
  const limits = { "README.md": 120, "ARCHITECTURE.md": 200, "CONTRIBUTING.md": 80, "docs/replication.md": 150 };
  for (const [file, lines] of Object.entries(limits)) {
    const has = read(file).split("\n").length - 1;
    assert.ok(has <= lines, `${file} has ${has} lines, at most ${lines}`);
  }
});

test("links between documents lead somewhere", () => {
  const files = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md",
    ...readdirSync(join(root, "docs"), { recursive: true }).filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`)];
  for (const file of files) {
    for (const [, link] of read(file).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(root, dirname(file), link)), `${file} links to ${link}`);
    }
  }
});

test("each decision has a date and a status, and stands in the list with its title", () => {
  const list = read("docs/decisions/README.md");
  const files = readdirSync(join(root, "docs/decisions")).filter((name) => name !== "README.md");
  assert.ok(files.length > 20);
  for (const file of files) {
    const [title, blank, status] = read(`docs/decisions/${file}`).split("\n");
    const [, number, words] = title.match(/^# (\d+)\. (.+)$/) ?? assert.fail(`${file} has no numbered title`);
    assert.ok(blank === "" && file.startsWith(`${number.padStart(4, "0")}-`), file);
    assert.match(status, /^\d{1,2} [A-Z][a-z]+ \d{4}\. (Accepted|Replaced by \[decision \d+\])/, file);
    assert.ok(list.includes(`](${file}) | ${words} |`), `${file} is not listed with its title`);
  }
});
