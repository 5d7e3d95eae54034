// Where things are: the repository, the built program, Chromium.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
export const program = join(target, "release/global-presence");
/** The same with one field more in rows and facts: `scripts/test.mjs` builds it. */
export const laterProgram = join(target, "release/global-presence-later");
export const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";
