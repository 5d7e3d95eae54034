// `make bench-clicks EARLIER=/path/to/global-presence`: the CPU of a click, beside that of an earlier build of the program. Both are measured in turn,
// `PAIRS` times for `CLICK_SECONDS` seconds each; the median of the ratios counts, since a single one depends on what else the machine does.
import { median } from "./lib/figures.mjs";
import { build } from "./lib/install.mjs";
import { clicks } from "./lib/measure.mjs";

const { EARLIER: earlier, PAIRS: pairs = "9", CLICK_SECONDS: seconds = "4", MOST: most } = process.env;
if (!earlier) throw new Error("EARLIER must name the program to compare with: a global-presence that was built from an earlier commit");
build();

/** A thousand clicks a second, with one of the programs. */
async function measured(program) {
  const [line] = await clicks({ seconds: Number(seconds), rates: [1_000], program });
  if (line?.kind !== "click") throw new Error(`clicks can't be measured: ${line?.why ?? "the load ended early"}`);
  return line;
}

const figures = ({ cpu_us_each: cpu, p50_ms: p50, p99_ms: p99 }) => `${cpu.toFixed(0)} µs, p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(1)} ms`;
const found = [];
for (let pair = 1; pair <= Number(pairs); pair += 1) {
  // Each goes first in every second pair.
  const order = pair % 2 === 1 ? [earlier, undefined] : [undefined, earlier];
  const lines = new Map();
  for (const program of order) lines.set(program, await measured(program));
  const [before, now] = [lines.get(earlier), lines.get(undefined)];
  found.push({ ratio: now.cpu_us_each / before.cpu_us_each, before, now });
  console.log(`${pair}: ${figures(now)}; before: ${figures(before)}; CPU ${found.at(-1).ratio.toFixed(2)} ×`);
}
const of = (read) => median(found.map(read));
const ratio = of((one) => one.ratio);
const ratios = found.map((one) => one.ratio);
console.log(`median: CPU of a click ${ratio.toFixed(2)} × (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}); ` +
  `${of(({ now }) => now.cpu_us_each).toFixed(0)} µs, before ${of(({ before }) => before.cpu_us_each).toFixed(0)} µs; ` +
  `p50 ${of(({ now }) => now.p50_ms).toFixed(2)} ms, before ${of(({ before }) => before.p50_ms).toFixed(2)} ms; ` +
  `p99 ${of(({ now }) => now.p99_ms).toFixed(1)} ms, before ${of(({ before }) => before.p99_ms).toFixed(1)} ms`);
if (most && ratio > Number(most)) {
  console.log(`more than ${most} ×`);
  process.exitCode = 1;
}
