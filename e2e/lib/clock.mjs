// A machine's clock that a test sets, for the processes that it starts.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";

function faketime(...settings) {
  const library = ["x86_64", "aarch64"].map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`).find(existsSync);
  assert.ok(library, "libfaketime is installed by scripts/prepare.sh");
  return (program, line) => ["env", [`LD_PRELOAD=${library}`, ...settings, program, ...line]];
}

/** A command whose wall clock is off by what the file says, in seconds, while there is one; other clocks are right. */
export function clockOf(file) {
  return faketime(`FAKETIME_TIMESTAMP_FILE=${file}`, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1");
}

/** A command for which time passes this many times as fast, by all clocks. */
export function fasterTime(times) {
  return faketime(`FAKETIME=+0 x${times}`);
}
