// The repository's own files, for tests that read it.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";

/** Files that git tracks, and new ones that it does not ignore. */
export const tracked = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" })
  .split("\0").filter((file) => file && existsSync(join(root, file)));

export const read = (file) => readFileSync(join(root, file), "utf8");

export const lines = (text) => text.trimEnd().split("\n");

/** Rust files below these folders of any crate: `src`, `tests`. */
export function rust(...folders) {
  const crate = `((crates|examples)/[^/]+|bench|bench/app|bench/peers/naive|fuzz|scaling)`;
  const wanted = new RegExp(`^${crate}/(${folders.join("|")})/.*\\.rs$`);
  return tracked.filter((file) => wanted.test(file));
}
