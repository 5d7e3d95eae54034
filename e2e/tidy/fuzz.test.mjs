// Every parser on the list of fuzz/src/lib.rs has a property, and docs/security.md names no test that is not there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { read, rust, tracked } from "../lib/tree.mjs";

test("each property of the list is tried once, and shares the time", () => {
  const list = read("fuzz/src/lib.rs");
  const names = [...list.split("pub enum Property {")[1].split("\n}")[0].matchAll(/^ {4}([A-Z]\w+),$/gm)].map(([, name]) => name);
  assert.equal(Number(list.match(/COUNT: u32 = (\d+);/)[1]), names.length);
  const all = [...rust("src"), ...rust("tests")].filter((file) => file.endsWith("fuzz.rs") || file.endsWith("mux.rs")).map(read).join("\n");
  const tried = [...all.matchAll(/Property::(\w+)\s*\.holds\(/g)].map(([, name]) => name);
  assert.deepEqual(tried.sort(), names.sort());
});

test("every file that docs/security.md names exists", () => {
  const named = [...read("docs/security.md").matchAll(/`([\w./-]+\.(?:rs|mjs))`/g)].map(([, file]) => file);
  assert.ok(named.length > 20);
  assert.deepEqual(named.filter((file) => !tracked.some((path) => path === file || path.endsWith(`/${file}`))), []);
});
