// Documents that a stranger relies on: the click's way, their lengths, their links.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { root } from "../lib/paths.mjs";

const read = (file) => readFileSync(join(root, file), "utf8");

/** Rows of ARCHITECTURE's table of a click: `| 5 | where | files | functions, each called by the one before | reached by | … |`. */
function clickTable() {
  const section = read("ARCHITECTURE.md").split(/^## The way of one click$/m)[1].split(/^## /m)[0];
  const names = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  return section.split("\n").filter((line) => /^\| *\d/.test(line)).map((line) => {
    const [, number, , files, functions, by] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const text = names(files).map((file) => (file.endsWith(".rs") ? read(file).replaceAll(/\/\/.*$/gm, "").split("#[cfg(test)]")[0] : "")).join("\n");
    return { number: Number(number), files: names(files), functions: names(functions), text, by, tokens: names(by), from: Number(by.match(/\brow (\d+)/)?.[1]) };
  });
}

/** All functions of this name in a Rust text, each from its name to its closing brace. */
function bodies(text, name) {
  return [...text.matchAll(new RegExp(`^( *)(?:pub(?:\\([a-z]+\\))? )?(?:async )?fn ${name}\\b(?:[^{}]*;|.*\\{.*\\}|[^]*?^\\1\\})$`, "gm"))].map(([body]) => body);
}

const ofRow = (row) => row.functions.flatMap((name) => bodies(row.text, name)).join("\n");
const calls = (body, name) => new RegExp(`(?<!fn )\\b${name}\\)?\\(|::${name}\\b`).test(body);

test("every file of the click's way exists and holds its functions, each called by the one before", () => {
  const rows = clickTable();
  assert.ok(rows.length >= 20);
  assert.deepEqual(rows.map(({ number }) => number), rows.map((_, index) => index + 1));
  for (const { number, files, functions, text } of rows) {
    for (const file of files) assert.ok(existsSync(join(root, file)), `row ${number}: ${file}`);
    assert.ok(functions.length > 0 || !files.some((file) => file.endsWith(".rs")), `row ${number} names no function`);
    functions.forEach((name, place) => {
      assert.ok(bodies(text, name).length > 0, `row ${number}: no function ${name} in ${files}`);
      const before = functions[place - 1];
      if (before) assert.ok(calls(bodies(text, before).join("\n"), name), `row ${number}: ${before} does not call ${name}`);
    });
  }
});

test("every row of the click's way is reached as it says: by a call, a queue or the wire", () => {
  const rows = clickTable();
  for (const row of rows.slice(1)) {
    const wire = /\bthe wire\b/.test(row.by);
    const from = rows[row.from - 1] ?? assert.ok(wire, `row ${row.number} does not say which row reaches it`);
    if (wire) continue;
    assert.ok(row.from < row.number, `row ${row.number} comes before the row that reaches it`);
    for (const token of row.tokens) assert.ok(ofRow(from).includes(token), `row ${row.from} has no ${token} for row ${row.number}`);
    if (/\ba queue\b/.test(row.by)) {
      assert.ok(row.tokens.length > 0, `row ${row.number} does not say what goes through the queue`);
      for (const token of row.tokens) assert.ok(ofRow(row).includes(token), `row ${row.number} takes no ${token}`);
    } else {
      assert.ok(calls(ofRow(from), row.functions[0]), `row ${row.from} does not call ${row.functions[0]} of row ${row.number}`);
    }
  }
});

test("every file of the code map exists, and every source file is on it", () => {
  const map = read("ARCHITECTURE.md").split(/^## Code map$/m)[1].split(/^## /m)[0];
  const crates = readdirSync(join(root, "crates"));
  for (const crate of crates) {
    const section = map.split(new RegExp(`^### \`${crate}\``, "m"))[1]?.split(/^### /m)[0] ?? assert.fail(`no section for ${crate}`);
    const source = join(root, "crates", crate, "src");
    const covered = new Set();
    for (const item of section.split(/^- /m).slice(1)) {
      // An item may begin with folders. Each covers its own file, and the item's other files may be in it.
      const folders = [...item.split(": ")[0].matchAll(/`([a-z0-9_]+)\/`/g)].map(([, folder]) => folder);
      for (const folder of folders) {
        assert.ok(existsSync(join(source, folder)), `${crate}: ${folder}/`);
        covered.add(`${folder}.rs`);
      }
      for (const [, file] of item.matchAll(/`([a-z0-9_/]+\.rs)`/g)) {
        const found = [...folders.map((folder) => `${folder}/${file}`), file].find((path) => existsSync(join(source, path)));
        covered.add(found ?? assert.fail(`${crate}: ${file}`));
      }
    }
    for (const file of readdirSync(source).filter((name) => name.endsWith(".rs"))) {
      assert.ok(covered.has(file), `${crate}/src/${file} is not on the map`);
    }
  }
});

test("the places that CONTRIBUTING's recipes name exist", () => {
  const table = read("CONTRIBUTING.md").split(/^## The five commonest changes$/m)[1].split("\n").filter((line) => /^\| [a-z]/.test(line));
  assert.equal(table.length, 5);
  for (const row of table) {
    const paths = [...row.matchAll(/`((?:crates|e2e|docs)\/[^`]+)`/g)].map(([, path]) => path);
    assert.ok(paths.length >= 2, row);
    for (const path of paths) assert.ok(existsSync(join(root, path)), path);
    const text = paths.flatMap((path) => (statSync(join(root, path)).isFile() ? [read(path)] : readdirSync(join(root, path)).filter((name) => name.endsWith(".rs")).map((name) => read(join(path, name)))));
    for (const [, name] of row.matchAll(/`([a-z_]+!?)`/g)) {
      assert.ok(text.some((source) => source.includes(name)) || existsSync(join(root, dirname(paths[0]), name)), `${name} is in none of ${paths}`);
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

const documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md",
  ...readdirSync(join(root, "docs"), { recursive: true }).filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`)];

test("every row of a table is below its header", () => {
  const isRow = (line) => line?.startsWith("|");
  for (const file of documents) {
    const lines = read(file).split("\n");
    const first = lines.flatMap((line, index) => (isRow(line) && !isRow(lines[index - 1]) ? [index] : []));
    for (const index of first) assert.match(lines[index + 1], /^\|[-:| ]+\|$/, `${file}:${index + 1}`);
  }
});

test("the Node.js that the tests need is named where a stranger looks", () => {
  assert.equal(JSON.parse(read("e2e/package.json")).engines.node, "^20.19 || >=22.12");
  for (const file of ["README.md", "CONTRIBUTING.md", "scripts/prepare.sh"]) assert.ok(read(file).includes("20.19 or 22.12, or newer"), file);
});

test("links between documents lead somewhere", () => {
  for (const file of documents) {
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

test("docs/clients.md prints what keeps pages of apps connected", () => {
  const [, code] = read("crates/presence-server/client/awake.js").split("*/\n");
  assert.ok(code.startsWith("export function keepAwake") && read("docs/clients.md").includes(`\`\`\`js\n${code}\`\`\`\n`));
});

/** A section of docs/building.md. */
const building = (title) => read("docs/building.md").split(/^## /m).find((part) => part.startsWith(title)) ?? assert.fail(title);

test("the code that docs/building.md shows of the auction is the auction's", () => {
  const flat = (code) => code.replaceAll(/^ +/gm, "");
  const source = flat(read("examples/auction/src/main.rs"));
  for (const title of ["What is a user's own", "Other rooms in a page", "Who the user is", "From nothing to an auction"]) {
    const blocks = [...building(title).matchAll(/^ *```rust\n([^]*?)^ *```$/gm)].map(([, code]) => code);
    assert.ok(blocks.length > 0, title);
    for (const code of blocks) assert.ok(source.includes(flat(code)), code);
  }
});

test("who makes the auction step by step has all that it needs", () => {
  const steps = building("From nothing to an auction") + building("Who the user is");
  const [, axum] = read("Cargo.toml").match(/^axum = \{ version = "(\d+\.\d+)/m);
  for (const needed of [`cargo add axum@${axum}`, "examples/auction/templates", "into its `Cargo.toml`"]) assert.ok(steps.includes(needed), needed);
  for (const [, name] of read("examples/auction/src/main.rs").matchAll(/^(?:const|type|fn|struct) ([A-Za-z_]+)/gm)) {
    if (!["Auction", "main"].includes(name)) assert.match(steps, new RegExp(`(?:const|type|fn|struct) ${name}\\b`), name);
  }
});

test("docs/building.md names every field of a view and of a visit", () => {
  for (const [name, file] of [["RoomView", "view.rs"], ["Visit", "../app.rs"]]) {
    const [, body] = read(join("crates/presence-core/src/app", file)).match(new RegExp(`^pub struct ${name}(?:<'a>)? \\{([^]*?)^\\}`, "m"));
    const fields = [...body.matchAll(/^ {4}pub ([a-z_]+):/gm)].map(([, field]) => field);
    assert.ok(fields.length > 8, name);
    const table = building("An app is three functions").split(`| \`${name}\` | Is |`)[1].split("\n\n")[0];
    for (const field of fields) assert.match(table, new RegExp(`\`${field}\``), `${name}.${field}`);
  }
});

test("docs/building.md names every change that an app can be asked to draw", () => {
  const [, body] = read("crates/presence-core/src/app/change.rs").match(/^pub enum Change \{([^]*?)^\}/m);
  const variants = [...body.matchAll(/^ {4}([A-Z][A-Za-z]+)/gm)].map(([, variant]) => variant);
  assert.ok(variants.length > 12);
  const table = building("An app is three functions").split("| `Change` | Comes when |")[1].split("\n\n")[0];
  for (const variant of variants) assert.match(table, new RegExp(`\`${variant}\\b`), variant);
});
