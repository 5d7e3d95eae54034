// `make bench`: measures ours, the baseline and the peers in one run, prints one table and writes docs/benchmarks.md with its
// plots. `node bench/run.mjs short` measures only ours, the baseline and Bun, in four minutes; `quick` measures less, in three
// minutes, and writes nothing.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { build, peers, versions } from "./lib/install.mjs";
import { target } from "./lib/paths.mjs";
import { carryOut, full, quick, short } from "./lib/plan.mjs";
import { write } from "./lib/report.mjs";
import { output } from "./lib/run.mjs";
import { rows, table } from "./lib/rows.mjs";
import { servers } from "./lib/servers.mjs";

const [, , name = "full"] = process.argv;
const plan = { full, short, quick }[name];
if (!plan) throw new Error(`there is no run called ${name}: full, short or quick`);
build();
const missing = peers({ rails: plan.peers });
if (!plan.peers) for (const peer of ["ws", "socketio", "naive", "rails"]) missing[peer] ??= `left out of the ${name} run`;

const limit = Number(output("sh", ["-c", "ulimit -Hn"]));
if (limit < plan.idle + 200) throw new Error(`10,000 connections need more open files than this machine allows: raise the hard limit of ${limit} (ulimit -Hn)`);

const lines = [];
const began = Date.now();
await carryOut(plan, missing, (line) => lines.push(line));
const minutes = Math.ceil((Date.now() - began) / 60_000);

mkdirSync(join(target, "bench"), { recursive: true });
writeFileSync(join(target, "bench/lines.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
const [{ model }] = cpus();
const machine = `${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, at most ${limit.toLocaleString("en")} open files for each process.`;
const command = plan === full ? "make bench" : `node bench/run.mjs ${name}`;
if (plan !== quick) write({ command, lines, plan, missing, machine, versions: versions(), minutes });
console.log(`${table(rows(lines, plan))}\n\n${machine}`);
for (const [name, why] of Object.entries(missing)) if (why !== undefined) console.log(`${servers[name].name} is missing: ${why}.`);
const failed = lines.filter(({ kind }) => kind === "failed");
for (const { server, what, why } of failed) console.log(`FAILED: ${servers[server].name}, ${what}: ${why}`);
// A bar that is missed is a finding; a measurement of ours that can't be made is an error.
if (failed.some(({ server }) => ["ours", "room", "baseline"].includes(server))) process.exitCode = 1;
