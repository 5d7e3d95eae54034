// docs/configuration.md says what --help says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { committed, generated } from "../lib/configuration.mjs";

test("docs/configuration.md is as new as --help (else: make docs)", () => {
  assert.equal(committed(), generated());
});
