// One word, one meaning: a type's name occurs once in the workspace.
import assert from "node:assert/strict";
import { test } from "node:test";
import { read, rust } from "../lib/tree.mjs";

/** Names that occur twice for a reason. */
const reasoned = {};

/** `{ name, place }` of each type that a file declares, including aliases at the top level. */
function declared(file) {
  const types = /^[ ]*(?:pub(?:\([a-z ]+\))? )?(?:struct|enum|trait|union) (\w+)|^(?:pub(?:\([a-z ]+\))? )?type (\w+)/gm;
  const text = read(file);
  return [...text.matchAll(types)].map((found) => ({
    name: found[1] ?? found[2], place: `${file}:${text.slice(0, found.index).split("\n").length}`,
  }));
}

test("a type's name occurs once in the workspace", () => {
  // Examples and peers are programs of their own, each read without the others.
  const files = rust("src").filter((file) => !/^(examples|bench\/peers)\//.test(file));
  const places = new Map();
  for (const { name, place } of files.flatMap(declared)) places.set(name, [...(places.get(name) ?? []), place]);
  assert.ok(places.size > 200);
  const twice = [...places].filter(([, all]) => all.length > 1);
  assert.deepEqual(twice.filter(([name]) => !(name in reasoned)), []);
  assert.deepEqual(Object.keys(reasoned).filter((name) => places.get(name)?.length < 2), [], "these need no exception");
});
