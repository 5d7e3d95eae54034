// The check for known vulnerabilities fails because of one, and not because their list is out of reach.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../lib/paths.mjs";

/** Runs the check with a program in place of cargo-deny. */
function checked(t, script, seconds) {
  const folder = mkdtempSync(join(tmpdir(), "advisories-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = join(folder, "cargo-deny");
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  const { status, stdout } = spawnSync("node", [join(root, "scripts/advisories.mjs"), program, String(seconds)], { encoding: "utf8", timeout: 30_000 });
  return { status, lines: stdout.trim().split("\n") };
}

test("a vulnerability is a failure", (t) => {
  const { status, lines } = checked(t, "echo 'error[vulnerability]: a hole'; exit 1", 30);
  assert.deepEqual([status, lines], [1, ["error[vulnerability]: a hole"]]);
});

test("no vulnerability is none", (t) => {
  assert.equal(checked(t, "echo advisories ok", 30).status, 0);
});

test("a list that can't be fetched, or not in time, is one line and no failure", (t) => {
  const unreached = checked(t, "echo '[ERROR] failed to fetch advisory database' >&2; exit 1", 30);
  assert.deepEqual(unreached, { status: 0, lines: ["advisories were not checked: their list could not be fetched"] });
  const late = checked(t, "sleep 60", 1);
  assert.deepEqual(late, { status: 0, lines: ["advisories were not checked: their list could not be fetched in 1 s"] });
});
