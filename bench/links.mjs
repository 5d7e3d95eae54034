// `make links`: targets for the links between nodes, and what is reached, in one table; half an hour. `node
// bench/links.mjs quick` measures less in six minutes, `node bench/links.mjs full WORD...` only the rows that contain one of the words.
import { attacked } from "../e2e/lib/attack.mjs";
import { bareOverLoss, nodesOverLoss } from "../e2e/lib/lossy.mjs";
import { bareClosed, closedCleanly, frozen, killedAndBack, threeNodes } from "../e2e/lib/returns.mjs";
import { bareStarts, cpuOfMessages, memoryOfDials, memoryOfPeers, scoped, sizes, wholeStarts } from "./lib/links.mjs";
import { median } from "./lib/figures.mjs";
import { passes } from "./lib/run.mjs";
import { programs, root } from "./lib/paths.mjs";

const full = { slow: 60, fast: 25, tcpSlow: 60, tcpFast: 30, freezes: 5, kills: 5, nodes: 32, dead: 100, messageSeconds: 20, loss: 120, starts: 3 };
const quick = { slow: 20, fast: 20, tcpSlow: 20, tcpFast: 20, freezes: 1, kills: 2, nodes: 12, dead: 24, messageSeconds: 10, loss: 30, starts: 1 };
const [, , run = "full", ...words] = process.argv;
const plan = { full, quick }[run];
if (!plan) throw new Error(`there is no run called ${run}: full or quick`);
if (!process.env.BENCH_PROGRAMS && !passes("cargo", ["build", "--profile", "dist", "-p", "presence-demo", "-p", "presence-bench"], { cwd: root })) {
  throw new Error("the programs can't be built");
}

const SECONDS = [3, 5, 6, 8, 10, 15, 20, 40];
const table = [];
const began = Date.now();

/** Adds a row: `holds` tests the result of `measure` against the target, `show` formats it. */
async function row(what, asked, measure, show, holds) {
  if (words.length > 0 && !words.some((word) => what.toLowerCase().includes(word.toLowerCase()))) return;
  const found = await measure().then((value) => ({ reached: show(value), holds: holds(value) }), (error) => ({ reached: error.message.slice(0, 200), holds: false }));
  table.push({ what, asked, ...found });
  console.error(`${((Date.now() - began) / 60_000).toFixed(1)} min: ${what}: ${found.reached}${found.holds ? "" : " ✗"}`);
}

const most = (values) => Math.max(...values);
const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const under = (values, limit) => `${values.filter((value) => value < limit).length} of ${values.length}`;

const { slow, fast, tcpSlow, tcpFast } = plan;
const attacks = [
  ["10 Initial packets a second", { rate: 10, seconds: slow }],
  ["1,000 Initial packets a second", { rate: 1_000, seconds: fast }],
  ["10 Initial packets a second from 200 addresses", { rate: 10, seconds: slow, addresses: 200 }],
  ["1,000 Initial packets a second from 200 addresses", { rate: 1_000, seconds: fast, addresses: 200 }],
  ["1,000 packets a second that only look like Initials", { rate: 1_000, seconds: fast, kind: "noise" }],
  ["10 silent TCP connections a second", { rate: 10, seconds: tcpSlow, protocol: "tls" }],
  ["100 silent TCP connections a second", { rate: 100, seconds: tcpFast, protocol: "tls" }],
];
for (const [name, attack] of attacks) {
  const tcp = attack.protocol === "tls";
  await row(`A new node is linked under ${name} for ${attack.seconds} s`, `< 1 s, all; no link lost; ${tcp ? "" : "+1 MB; "}at most a line a minute`,
    () => scoped((t) => attacked(t, { ...attack, programs })),
    ({ joins, memory_kib: memory, log, lost, cpu_percent: cpu, done: { sent, retries } }) =>
      `${under(joins, 1_000)}, at most ${ms(most(joins))}; ${lost} lost; ${(memory / 1_024).toFixed(1)} MB; ${log.length} lines; ${cpu.toFixed(1)} % of a core; ${sent} sent${retries > 0 ? `, ${retries} asked to try again` : ""}`,
    ({ joins, memory_kib: memory, log, lost }) => joins.length > 0 && most(joins) < 1_000 && lost === 0 && (tcp || memory <= 1_024) && log.length <= Math.ceil(attack.seconds / 60));
}

const freezes = plan.freezes * SECONDS.length;
await row(`Frozen for ${SECONDS.join(", ")} s: all hear each other again`, `< 1.5 s in ${freezes} of ${freezes}`, async () => {
  const times = [];
  for (let round = 0; round < plan.freezes; round += 1) {
    await scoped(async (t) => {
      const meshes = [];
      for (const seconds of SECONDS) meshes.push({ seconds, three: await threeNodes(t, { programs }) });
      times.push(...(await Promise.all(meshes.map(async ({ seconds, three }) => ({ seconds, ...(await frozen(three, seconds)) })))));
    });
    console.error(times.slice(-SECONDS.length).map(({ seconds, ms: after, direct_ms: direct }) => `  ${seconds} s: ${after} ms, directly ${direct} ms`).join("\n"));
  }
  return times.map(({ ms: after }) => after);
}, (times) => `${under(times, 1_500)}; median ${ms(median(times))}, at most ${ms(most(times))}`, (times) => most(times) < 1_500);

await row("Killed and back at once on its port: all hear each other again", "< 1.5 s", async () => {
  const times = [];
  for (let kill = 0; kill < plan.kills; kill += 1) times.push((await scoped(async (t) => killedAndBack(await threeNodes(t, { programs })))).ms);
  return times;
}, (times) => `${under(times, 1_500)}; at most ${ms(most(times))}`, (times) => most(times) < 1_500);
await row("Asked to leave: all others know", "< 0.1 s", () => scoped(async (t) => closedCleanly(await threeNodes(t, { programs }))), ms, (value) => value < 100);
await row("Links closed: lost at their other ends", "< 0.1 s", () => scoped((t) => bareClosed(t, { programs })), ms, (value) => value < 100);

for (const protocol of ["quic", "tls"]) {
  await row(`Memory for each peer, ${plan.nodes} nodes, ${protocol}`, "< 100 KB", () => memoryOfPeers({ count: plan.nodes, programs, protocol }),
    ({ alone_kib: alone, two_kib: two, among_kib: among, each_kib: each }) => `${each.toFixed(0)} KiB (${[alone, two, among].map((kib) => (kib / 1_024).toFixed(1)).join(", ")} MiB of one alone, one of two, one of ${plan.nodes})`,
    ({ each_kib: each }) => each < 97);
}
await row(`Memory for each of ${plan.dead} dead addresses`, "< 10 KB", () => memoryOfDials({ count: plan.dead, programs }),
  ({ each_kib: each, files, cpu_ms: cpu }) => `${each.toFixed(1)} KiB; ${files} more open files; ${cpu.toFixed(1)} ms of CPU`, ({ each_kib: each }) => each < 9.7);
for (const protocol of ["quic", "tls"]) {
  await row(`CPU for each message and reader, 1,000/s of 200 B to 11, ${protocol}: publisher, reader`, "≤ 18, ≤ 35 µs",
    () => cpuOfMessages({ nodes: 12, rate: 1_000, seconds: plan.messageSeconds, programs, protocol }),
    (found) => `${found.publisher_us.toFixed(1)}, ${found.reader_us.toFixed(1)} µs; p50 ${found.p50_ms.toFixed(2)} ms, p99 ${found.p99_ms.toFixed(2)} ms; ${found.lost} lost; ${found.threads} threads, ${found.files} files; idle ${found.idle_percent.toFixed(1)} % of a core`,
    (found) => found.publisher_us <= 18 && found.reader_us <= 35 && found.lost === 0);
}

const paths = [["5 %, 100±50 ms", { loss: 5, delay: 100, jitter: 50 }, 500], ["15 %, 300±50 ms", { loss: 15, delay: 300, jitter: 50 }, 2_000]];
for (const [name, path, limit] of paths) {
  await row(`${name}, ${plan.loss} s, 50 messages/s each: messages, worst pair`, `p99 < ${limit / 1_000} s; no link lost`,
    () => scoped((t) => bareOverLoss(t, { ...path, seconds: plan.loss, programs })),
    (found) => `p50 ${ms(found.p50_ms)}, p99 ${ms(found.p99_ms)}, at most ${ms(found.max_ms)}; ${found.lost} lost; ${found.received} of ${found.sent} arrived; slowest dial ${ms(found.dial_ms)}`,
    (found) => found.p99_ms < limit && found.lost === 0);
}
await row(`5 %, 100±50 ms, ${plan.loss} s, whole nodes: falsely unsure`, "none", () => scoped((t) => nodesOverLoss(t, { ...paths[0][1], seconds: plan.loss, programs })),
  (wrong) => (wrong.length === 0 ? "none" : `${wrong.length}: ${wrong[0]}`), (wrong) => wrong.length === 0);

const repeated = async (starts) => {
  const times = [];
  for (let start = 0; start < plan.starts; start += 1) times.push(await starts({ count: plan.nodes, programs, protocol: "quic" }));
  return times;
};
await row(`${plan.nodes} bare meshes started together: all are linked to all`, "< 2 s", () => repeated(bareStarts),
  (times) => `${times.map(ms).join(", ")} after the last one's start`, (times) => most(times) < 2_000);
await row(`${plan.nodes} whole nodes started together: all hear all directly`, "< 2 s", () => repeated(wholeStarts),
  (times) => times.map(({ ms: heard, direct_ms: direct }) => `${ms(heard)} after the last one's start (the API, which is up to 1 s late: ${ms(direct)})`).join(", "),
  (times) => times.every(({ ms: heard, direct_ms: direct }) => heard < 2_000 && direct < 3_000));
let size;
const sized = async () => (size ??= await sizes({ programs }));
await row("Crates in Cargo.lock", "≤ 300", sized, ({ crates }) => String(crates), ({ crates }) => crates <= 300);
await row("The program", "≤ 15 MB", sized, ({ program_mb: mb }) => `${mb.toFixed(1)} MB`, ({ program_mb: mb }) => mb <= 15);
await row("Memory at its start with --mesh-listen", "≤ 16 MB", sized, ({ memory_mib: mib }) => `${mib.toFixed(1)} MiB`, ({ memory_mib: mib }) => mib * 1.048576 <= 16);

console.log(["| What | Target | Reached |", "|---|---|---|", ...table.map(({ what, asked, reached, holds }) => `| ${what} | ${asked} | ${reached} ${holds ? "✓" : "✗"} |`)].join("\n"));
if (table.some(({ holds }) => !holds)) process.exitCode = 1;
