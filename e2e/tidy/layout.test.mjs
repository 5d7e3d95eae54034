// Files know each other in one direction: lower ones never name higher ones, and no ring is larger than a parent with its children.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { orders } from "../lib/layout.mjs";
import { root } from "../lib/paths.mjs";
import { lines, read, rust } from "../lib/tree.mjs";

/** What `use` names, one path for each leaf: `a::{b, c::{self, d}}` becomes `a::b`, `a::c` and `a::c::d`. */
export function paths(tree) {
  const open = tree.indexOf("{");
  if (open < 0) return [tree.replace(/ as \w+$/, "").replace(/(^|::)self$/, "").trim()];
  const [before, inside] = [tree.slice(0, open), tree.slice(open + 1, tree.lastIndexOf("}"))];
  const parts = [];
  let [depth, part] = [0, ""];
  for (const letter of inside) {
    depth += (letter === "{") - (letter === "}");
    if (letter === "," && depth === 0) [part, parts[parts.length]] = ["", part];
    else part += letter;
  }
  return [...parts, part].filter((each) => each.trim()).flatMap((each) => paths(before + each.trim()));
}

/** A crate's modules, `{ file, code }` by their path; without unit tests and modules that only tests have. */
function modules(crate) {
  const folder = `crates/${crate}/src/`;
  const all = new Map();
  for (const file of rust("src").filter((name) => name.startsWith(folder))) {
    const code = read(file).replaceAll(/\/\/.*$/gm, "").split(/^#\[cfg\(test\)\]\nmod \w+ \{/m)[0];
    const name = file.slice(folder.length, -".rs".length).replace(/\/mod$/, "");
    all.set(name === "lib" ? "" : name.replaceAll("/", "::"), { file, code });
  }
  for (const [name, { code }] of [...all]) {
    for (const [, child] of code.matchAll(/#\[cfg\(test\)\]\n(?:pub(?:\([a-z]+\))? )?mod (\w+);/g)) all.delete(name ? `${name}::${child}` : child);
  }
  return all;
}

/** The modules that a module names, by `use` or in its code. */
function named(name, code, all) {
  const leaves = [...code.matchAll(/^ *(?:pub(?:\([a-z ]+\))? )?use ([^;]+);/gm)].flatMap(([, tree]) => paths(tree.replaceAll(/\s+/g, " ")));
  const inline = [...code.matchAll(/\b((?:crate|super|self)(?:::\w+)+)/g)].map(([, path]) => path);
  const here = name.split("::").filter(Boolean);
  const found = new Set();
  for (const leaf of [...leaves, ...inline]) {
    let [first, ...rest] = leaf.split("::").map((part) => part.trim());
    let base = [];
    if (first === "self") base = here;
    else if (first === "super") {
      base = here.slice(0, -1);
      while (rest[0] === "super") [base, rest] = [base.slice(0, -1), rest.slice(1)];
    } else if (first !== "crate") continue;
    const path = [...base, ...rest];
    // The longest part of the path that is a module: what follows is a name in it.
    while (path.length > 0 && !all.has(path.join("::"))) path.pop();
    const target = path.join("::");
    if (target && target !== name) found.add(target);
  }
  return found;
}

/** Groups of modules that reach each other: Tarjan's strongly connected components. */
export function rings(graph) {
  const [index, low, stack, found] = [new Map(), new Map(), [], []];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node), low.get(next)));
    }
    if (low.get(node) === index.get(node)) found.push(stack.splice(stack.indexOf(node)));
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found.filter((ring) => ring.length > 1);
}

function graphOf(crate) {
  const all = modules(crate);
  // The root only lists modules and re-exports their names.
  const inside = [...all].filter(([name]) => name !== "" && name !== "main");
  return new Map(inside.map(([name, { code }]) => [name, named(name, code, all)]));
}

for (const [crate, order] of Object.entries(orders)) {
  const graph = graphOf(crate);
  const top = (name) => name.split("::")[0];

  test(`${crate}: every module has a place in the order`, () => {
    assert.ok(graph.size > order.length);
    assert.deepEqual([...new Set([...graph.keys()].map(top))].filter((name) => !order.includes(name)), []);
    for (const name of order) assert.ok(existsSync(join(root, `crates/${crate}/src/${name}.rs`)) || graph.has(name), name);
  });

  test(`${crate}: no module names a higher one`, () => {
    const up = [...graph].flatMap(([name, targets]) => [...targets].map((target) => [name, target]))
      .filter(([name, target]) => order.indexOf(top(target)) > order.indexOf(top(name)));
    assert.deepEqual(up.map(([name, target]) => `${name} → ${target}`), []);
  });

  test(`${crate}: no ring is larger than a parent with its children`, () => {
    const parent = (name) => name.split("::").slice(0, -1).join("::");
    const large = rings(graph).filter((ring) => {
      const head = ring.reduce((shortest, name) => (name.length < shortest.length ? name : shortest));
      return !ring.every((name) => name === head || parent(name) === head);
    });
    assert.deepEqual(large, []);
  });
}

test("node.rs can be read in one sitting, and touches no part's field", () => {
  const text = read("crates/presence-core/src/node.rs");
  assert.ok(lines(text).length < 250, `${lines(text).length} lines`);
  const parts = [...text.matchAll(/^ {4}(\w+): (?:LocalVisitors|Presence|Facts|Membership|Discovery|Replication|Renderer|PubSub|Outputs|Suspension),$/gm)];
  assert.equal(parts.length, 10);
  const files = rust("src").filter((file) => /^crates\/presence-core\/src\/node(\/\w+)?\.rs$/.test(file));
  const field = new RegExp(`\\bself\\.(?:${parts.map(([, name]) => name).join("|")})\\.\\w+\\b(?!\\()`, "g");
  assert.deepEqual(files.flatMap((file) => (read(file).match(field) ?? []).map((found) => `${file}: ${found}`)), []);
});

test("the walk finds what modules name, and rings among them", () => {
  assert.deepEqual(paths("crate::a::{b, c::{self, D}, e as f}"), ["crate::a::b", "crate::a::c", "crate::a::c::D", "crate::a::e"]);
  const graph = new Map(Object.entries({ a: ["b"], b: ["c"], c: ["a"], d: ["a"], e: [] }));
  assert.deepEqual(rings(graph).map((ring) => ring.sort()), [["a", "b", "c"]]);
});
