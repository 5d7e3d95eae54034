// The last step of `make scaling`: tables and plots of docs/scaling.md, from the results that are kept.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, target } from "../bench/lib/paths.mjs";
import { curves } from "../bench/lib/plot.mjs";

const plots = JSON.parse(execFileSync(join(target, "release/scaling"), ["draw"], { cwd: root, encoding: "utf8", maxBuffer: 2 ** 24 }));
for (const [name, { title, x, y, x_range: xRange, y_range: yRange, series, limits }] of Object.entries(plots)) {
  const lines = series.map(({ name: label, line, dots }, place) => ({ label, colour: `c${place}`, points: line, dots }));
  writeFileSync(join(root, "docs/scaling", `${name}.svg`), curves({ title, x, y, lines, limits, ranges: { x: xRange, y: yRange } }));
}
