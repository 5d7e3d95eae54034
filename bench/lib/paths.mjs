// Where the benchmark's parts are, and what it builds.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const bench = join(dirname(fileURLToPath(import.meta.url)), "..");
export const root = join(bench, "..");
export const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
/** Already built programs are taken from `BENCH_PROGRAMS`, where that is set. */
export const programs = process.env.BENCH_PROGRAMS ?? join(target, "dist");
export const load = join(programs, "load");
