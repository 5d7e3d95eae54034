// Paths of the benchmark's parts, and of what it builds.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const bench = join(dirname(fileURLToPath(import.meta.url)), "..");
export const root = join(bench, "..");
export const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
/** The folder of the programs; `BENCH_PROGRAMS` names one with programs that are already built. */
export const programs = process.env.BENCH_PROGRAMS ?? join(target, "dist");
export const load = join(programs, "load");
