// Writes `docs/benchmarks.md`, its plots, and the README's table.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Figures } from "./figures.mjs";
import { bench, root } from "./paths.mjs";
import { bars, curves } from "./plot.mjs";
import { everyone, rows, table } from "./rows.mjs";
import { servers } from "./servers.mjs";

const ALL = ["baseline", "ours", "bun", "ws", "socketio", "naive", "rails"];

/** The plots by their file names. */
function plots(lines, plan) {
  const figures = new Figures(lines);
  const own = (name) => name === "ours" || name === "room";
  const bar = (names, values) => names.map((name) => ({ label: servers[name].name, own: own(name), values: values(name) })).filter((row) => row.values.some((value) => value > 0));
  const storm = Math.max(...plan.storms);
  const sustain = (name) => [1, 8].map((window) => figures.median(name, { kind: "sustain", connections: name === "rails" ? 1_000 : 5_000, window }, "per_cpu_s"));
  const fanout = (name) => plan.connections.map((connections) => [connections, figures.median(name, { kind: "fanout", connections }, "last_ms")]).filter(([, ms]) => ms !== undefined);
  return {
    "deliveries.svg": bars({ title: "Deliveries per server CPU second", unit: "5,000 connections (Rails: 1,000), messages of 200 bytes", series: ["1 in flight", "8 in flight"], rows: bar(ALL, sustain) }),
    "memory.svg": bars({
      title: `Memory of each of ${plan.idle.toLocaleString("en")} connections`, unit: "KiB without the kernel's (Rails: 1,000 connections)", log: true,
      rows: bar(ALL, (name) => [figures.median(name, { kind: "idle" }, "rss_kib_each")]),
    }),
    "storm.svg": bars({
      title: `${storm.toLocaleString("en")} join one room at once`, unit: "seconds until all clients have the right number; servers that never got there are left out", log: true,
      rows: bar(["baseline", "room", "bun", "ws", "socketio", "naive", "rails"], (name) => [figures.median(name, { kind: "storm", connections: storm, converged: true }, "last_ms") / 1_000]),
    }),
    "fanout.svg": curves({
      title: "One broadcast: when the last receiver has it", x: "connections", y: "ms; server and receivers share the machine",
      lines: ALL.map((name) => ({ label: servers[name].name, own: own(name), colour: own(name) ? "c0" : name === "baseline" ? "c1" : "grey", points: fanout(name) })).filter(({ points }) => points.length > 1),
    }),
  };
}

/** Writes the document, the plots, and the table in the README. */
export function write({ command, lines, plan, missing, machine, versions, minutes }) {
  const folder = join(root, "docs/benchmarks");
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(plots(lines, plan))) writeFileSync(join(folder, file), text);
  const made = rows(lines, plan);
  const failed = lines.filter(({ kind }) => kind === "failed").map(({ server, what, why }) => `- ${servers[server].name}, ${what}: ${why}`);
  const absent = Object.entries(missing).filter(([, why]) => why !== undefined).map(([name, why]) => `- ${servers[name].name} is missing: ${why}.`);
  const versionsOf = Object.entries(versions).map(([name, version]) => `| ${servers[name].name} | ${version ?? "missing"} |`);
  const text = [
    "# Benchmarks", "<!-- Written by `make bench`; comments on the figures are in bench/notes.md. -->",
    `\`${command}\` measured this in ${minutes} minutes. ${readFileSync(join(bench, "method.md"), "utf8").trim()}`,
    "## Targets and results", table(made),
    "![Deliveries per server CPU second](benchmarks/deliveries.svg)", "![Memory of each connection](benchmarks/memory.svg)",
    "![A storm of joins](benchmarks/storm.svg)", "![One broadcast, until the last receiver has it](benchmarks/fanout.svg)",
    "## All servers", "Deliveries per server CPU second by connections and broadcasts in flight; memory; storms.", everyone(lines, plan, missing),
    ...absent, ...(failed.length > 0 ? ["Measurements that failed:", failed.join("\n")] : []),
    readFileSync(join(bench, "notes.md"), "utf8").trim(),
    "## Machine", machine, `| Server | Version |\n|---|---|\n${versionsOf.join("\n")}`,
  ].join("\n\n");
  writeFileSync(join(root, "docs/benchmarks.md"), `${text}\n`);
  inReadme(table(made, { short: true }));
  return made;
}

/** Puts the table between the two markers of the README. */
function inReadme(text) {
  const file = join(root, "README.md");
  const readme = readFileSync(file, "utf8");
  const put = readme.replace(/(<!-- benchmarks -->\n)[^]*?(\n<!-- end of benchmarks -->)/, (_, begin, end) => `${begin}${text}${end}`);
  writeFileSync(file, put);
}
