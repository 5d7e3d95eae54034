// Files and functions of Rust stay small.
import assert from "node:assert/strict";
import { test } from "node:test";
import { lines, read, rust } from "../lib/tree.mjs";

const FILE_LINES = 300;
const FUNCTION_LINES = 70;

const sources = rust("src", "tests");

test(`files have at most ${FILE_LINES} lines`, () => {
  assert.ok(sources.length > 200);
  const long = sources.map((file) => [file, lines(read(file)).length]).filter(([, count]) => count > FILE_LINES);
  assert.deepEqual(long, []);
});

test(`functions have fewer than ${FUNCTION_LINES} lines`, () => {
  const long = [];
  for (const file of sources) {
    const text = lines(read(file));
    for (const [start, line] of text.entries()) {
      const [, indent, name] = line.match(/^( *)(?:pub(?:\([a-z ]+\))? )?(?:const )?(?:async )?fn (\w+)/) ?? [];
      if (name === undefined || line.endsWith(";") || line.endsWith("}")) continue;
      // Formatted code closes a function where it began.
      const length = text.slice(start).findIndex((end) => end === `${indent}}` || end === `${indent});`) + 1;
      if (length >= FUNCTION_LINES) long.push(`${file}:${start + 1} ${name}: ${length}`);
    }
  }
  assert.deepEqual(long, []);
});
