// The rows of the table: targets, and what was reached.
import { Figures } from "./figures.mjs";
import { servers } from "./servers.mjs";

const PEERS = ["bun", "ws", "socketio", "naive", "rails"];
const round = (digits) => (value) => value.toFixed(digits);
const thousand = (value) => `${Math.round(value / 1_000)} k`;
const number = (value) => value.toLocaleString("en");

/** The targets and what was reached; `asked` holds a target's words and its test. */
export function rows(lines, plan) {
  const figures = new Figures(lines);
  const most = Math.max(...plan.connections);
  const storm = Math.max(...plan.storms);
  const made = [];
  const add = (what, { where, field, server = "ours", baselineWhere, better = "more", show, peers = PEERS, asked = [] }) => {
    const ours = figures.median(server, where, field);
    const baseline = baselineWhere === null ? undefined : figures.ratio(server, "baseline", where, field, baselineWhere ?? where);
    const best = peers.map((peer) => ({ peer, value: figures.median(peer, where, field) })).filter(({ value }) => value !== undefined)
      .sort((a, b) => (better === "more" ? b.value - a.value : a.value - b.value))[0];
    const peer = best && { name: servers[best.peer].name, value: show(best.value), ratio: figures.ratio(server, best.peer, where, field) };
    const facts = { ours, baseline, bun: figures.ratio(server, "bun", where, field) };
    const results = asked.map(({ words, by, holds }) => ({ words, reached: by(facts), holds: by(facts) !== undefined && holds(by(facts)) }));
    const baselineValue = baselineWhere === null ? undefined : figures.median("baseline", baselineWhere ?? where, field);
    made.push({
      what, ours: ours === undefined ? undefined : show(ours), baselineValue: baselineValue === undefined ? undefined : show(baselineValue), baseline, peer, asked: results,
    });
  };
  const atLeast = (words, by, least) => ({ words, by, holds: (value) => value >= least });
  const atMost = (words, by, top) => ({ words, by, holds: (value) => value <= top });
  const own = (facts) => facts.ours;
  const baseline = (facts) => facts.baseline;
  const bun = (facts) => facts.bun;

  for (const [window, least, words] of [[1, 0.85, "≥ 0.85 × baseline"], [8, 1.2, "≥ 1.2 × baseline"]]) {
    const where = { kind: "sustain", connections: 5_000, window };
    add(`Deliveries per server CPU second, 5,000 connections, ${window} broadcast${window > 1 ? "s" : ""} in flight`, {
      where, field: "per_cpu_s", show: thousand, asked: [atLeast(words, baseline, least), atLeast("≥ 1 × Bun", bun, 1)],
    });
  }
  for (const connections of plan.connections) {
    add(`Fan-out to ${number(connections)}: last receiver after (ms)`, {
      where: { kind: "fanout", connections }, field: "last_ms", better: "less", show: round(0),
      asked: connections === most ? [atMost("≤ 1.5 × baseline", baseline, 1.5)] : [],
    });
  }
  const idle = { kind: "idle", connections: plan.idle };
  add(`Memory of each of ${number(plan.idle)} connections (KiB)`, {
    where: idle, field: "rss_kib_each", better: "less", show: round(2), baselineWhere: { ...idle, mode: "sends" }, asked: [atMost("≤ 4", own, 4)],
  });
  add(`CPU of ${number(plan.idle)} idle connections, both pings (% of a core)`, {
    where: idle, field: "cpu_percent", better: "less", show: round(1), baselineWhere: { ...idle, mode: "sends" },
    // The others send far fewer heartbeats, or none.
    peers: ["naive"], asked: [atMost("≤ 1.6 × baseline", baseline, 1.6)],
  });
  add(`The same, beside a baseline whose pings are answered as well`, {
    where: idle, field: "cpu_percent", better: "less", show: round(1), baselineWhere: { ...idle, mode: "answered" }, peers: [],
  });
  const joined = { kind: "storm", connections: storm, converged: true };
  add(`${number(storm)} join one room: all have the right number after (ms)`, {
    server: "room", where: joined, field: "last_ms", better: "less", show: round(0), asked: [atMost("≤ 1.5 × baseline", baseline, 1.5)],
  });
  add("Its server CPU (s)", { server: "room", where: joined, field: "cpu_s", better: "less", show: round(2), asked: [atMost("≤ 2 × baseline", baseline, 2)] });
  add("Its messages to each client", { server: "room", where: joined, field: "texts_each", better: "less", show: round(1), asked: [atMost("≤ 6", own, 6)] });
  const alone = { baselineWhere: null, peers: [] };
  for (const rate of [10, 1_000]) {
    const where = { kind: "click", rate };
    const bar = (words, top) => (rate === 1_000 ? [atMost(words, own, top)] : []);
    add(`Click to the other region's socket, ${number(rate)} clicks/s: median (ms)`, { ...alone, where, field: "p50_ms", show: round(2), asked: bar("< 0.7", 0.7) });
    add("The same, 99th percentile (ms)", { ...alone, where, field: "p99_ms", show: round(2), asked: bar("< 3", 3) });
    // Beside an earlier program: `make bench-clicks`.
    add("The same, CPU of a click on both nodes (µs)", { ...alone, where, field: "cpu_us_each", show: round(0) });
  }
  for (const [path, name] of [["/", "`GET /`"], ["/api/v1/rooms/demo", "`GET /api/v1/rooms/demo`"]]) {
    const where = { kind: "http", path };
    add(`${name}: requests per server CPU second`, { ...alone, where, field: "per_cpu_s", show: (value) => number(Math.round(value)) });
    add("The same, requests a second from 16 connections", { ...alone, where, field: "per_s", show: (value) => number(Math.round(value)) });
    add("The same, 99th percentile (ms)", { ...alone, where, field: "p99_ms", show: round(1) });
  }
  add("From start to ready, alone (ms)", { ...alone, where: { kind: "start" }, field: "ready_ms", show: round(0), asked: [atMost("< 200", own, 200)] });
  add("The program (MB)", { ...alone, where: { kind: "start" }, field: "binary_mb", show: round(1), asked: [atMost("≤ 15", own, 15)] });
  add("Memory at its start (MiB)", { ...alone, where: { kind: "start" }, field: "rss_mib", show: round(1), asked: [atMost("≤ 15", own, 15)] });
  return made;
}

/** The rows as Markdown; `short` leaves out rows without a target. */
export function table(made, { short = false } = {}) {
  const times = (ratio) => (ratio === undefined ? "" : ` (${ratio.toFixed(2)} ×)`);
  const lines = ["| What | Ours | Baseline | Best peer | Target | Reached |", "|---|--:|--:|--:|---|---|"];
  for (const { what, ours, baselineValue, baseline, peer, asked } of made) {
    if (short && asked.length === 0) continue;
    const reached = asked.map(({ reached: value, holds }) => `${value === undefined ? "not measured" : Number(value.toPrecision(3))} ${holds ? "✓" : "✗"}`);
    lines.push(`| ${[
      what, ours ?? "not measured", baselineValue === undefined ? "" : `${baselineValue}${times(baseline)}`,
      peer ? `${peer.name} ${peer.value}${times(peer.ratio)}` : "", asked.map(({ words }) => words).join("; "), reached.join("; "),
    ].join(" | ")} |`);
  }
  return lines.join("\n");
}

/** Each server's own figures, side by side. */
export function everyone(lines, plan, missing) {
  const figures = new Figures(lines);
  const of = (where, field, show) => (name) => {
    const value = figures.median(name, where, field);
    return value === undefined ? "" : show(value);
  };
  const columns = [];
  for (const connections of plan.connections) {
    for (const window of [1, 8]) columns.push([`${number(connections)}, ${window} in flight`, of({ kind: "sustain", connections, window }, "per_cpu_s", thousand)]);
  }
  const storm = (connections) => (name) => {
    const all = figures.all(name === "ours" ? "room" : name, { kind: "storm", connections }, "last_ms");
    if (all.length === 0) return "";
    if (all.some(({ line }) => !line.converged)) return "given up";
    return `${(all.map(({ value }) => value).sort((a, b) => a - b)[all.length >> 1] / 1_000).toFixed(2)} s`;
  };
  columns.push(["memory of each (KiB)", of({ kind: "idle" }, "rss_kib_each", round(1))]);
  for (const connections of plan.storms) columns.push([`storm of ${number(connections)}`, storm(connections)]);
  const head = `| Server | ${columns.map(([words]) => words).join(" | ")} |\n|---|${"--:|".repeat(columns.length)}`;
  const body = ["baseline", "ours", ...PEERS].map((name) => {
    const cells = missing[name] === undefined ? columns.map(([, cell]) => cell(name)) : [`missing: ${missing[name]}`, ...columns.slice(1).map(() => "")];
    return `| ${servers[name].name} | ${cells.join(" | ")} |`;
  });
  return [head, ...body].join("\n");
}
