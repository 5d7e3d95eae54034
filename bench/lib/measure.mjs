// Single measurements: each starts a server of its own, puts a load on it and returns the printed lines.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { request } from "../../e2e/lib/http.mjs";
import { freePort } from "../../e2e/lib/ports.mjs";
import { pause, until } from "../../e2e/lib/until.mjs";
import { load, programs } from "./paths.mjs";
import { measurements, start, stop } from "./run.mjs";
import { environment, oursArgs, running, servers } from "./servers.mjs";

const line = ({ port, pids }, scenario, args) => [
  load, "--address", `127.0.0.1:${port}`, ...pids.flatMap((pid) => ["--pid", String(pid)]), "--scenario", scenario, ...args.map(String),
];

/** Fan-out and sustained broadcasts at growing numbers of connections. */
export function broadcasts(name, { connections, seconds, count }) {
  const sizes = connections.filter((size) => size <= (servers[name].most ?? Infinity));
  return running(name, async (server) => {
    const lines = await measurements(line(server, "fanout,sustain", [
      ...servers[name].broadcasts, "--connections", sizes.join(","), "--seconds", seconds, "--broadcasts", count,
    ]));
    return lines.map(arrived);
  });
}

/** A measurement in which broadcasts were lost counts as failed. */
function arrived(line) {
  if (line.drained !== false && !line.incomplete) return line;
  const { connections, broadcasts, lost, incomplete } = line;
  const missing = lost === undefined ? `${incomplete} of ${broadcasts} broadcasts` : `${lost} of ${broadcasts * connections} deliveries`;
  return { kind: "failed", why: `with ${connections} connections ${missing} did not arrive in time` };
}

/** All clients join at once. */
export function storm(name, { connections, giveUp }) {
  return running(name, (server) => measurements(line(server, "storm", [
    ...servers[name].storm, "--connections", connections, "--give-up", giveUp,
  ])));
}

/** Idle connections. */
export function idle(name, { connections, seconds }) {
  const { present, broadcasts: plain, most = Infinity } = servers[name];
  const args = ["--connections", Math.min(connections, most), "--idle-seconds", seconds];
  return running(name, (server) => measurements(line(server, "idle", [...(present ?? plain), ...args])));
}

/** The baseline with the heartbeats of ours: all as texts, and as texts and pings that are answered. */
export function idleBaseline({ connections, seconds, textsPerS, pingsPerS }) {
  return running("baseline", async (server) => {
    const lines = [];
    for (const [mode, texts, pings] of [["sends", textsPerS + pingsPerS, 0], ["answered", textsPerS, pingsPerS]]) {
      const args = ["--connections", connections, "--idle-seconds", seconds, "--baseline-texts", Math.round(texts), "--baseline-pings", Math.round(pings)];
      const measured = await measurements(line(server, "idle", [...servers.baseline.broadcasts, ...args]));
      lines.push(...measured.map((one) => ({ ...one, mode })));
    }
    return lines;
  });
}

/** Requests for the page and to the API. */
export function requests({ seconds }) {
  return running("ours", (server) => measurements(line(server, "http", ["--seconds", seconds])));
}

/** Two nodes: clicks at one of them, watched at the other. */
export async function clicks({ seconds, rates = [10, 1_000], program = join(programs, "global-presence") }) {
  const ports = [await freePort(), await freePort()];
  const mesh = [await freePort(), await freePort()].map((port) => `quic/127.0.0.1:${port}`);
  const children = [];
  try {
    for (const [place, region] of ["ams", "iad"].entries()) {
      children.push(await start([
        program, "--listen", `127.0.0.1:${ports[place]}`, ...oursArgs, "--region", region,
        "--node", `${region}-bench`, "--mesh-listen", mesh[place], "--mesh-peer", mesh[1 - place],
      ], { env: environment, port: ports[place] }));
    }
    await until("both regions hear each other", async () => {
      const answers = await Promise.all(ports.map((port) => request(port, "/api/v1/mesh", { host: `localhost:${port}` })));
      return answers.every(({ body }) => JSON.parse(body).regions_heard === 2);
    }, { within: 20_000 });
    return await measurements(line({ port: ports[0], pids: children.map(({ pid }) => pid) }, "click", [
      "--other", `127.0.0.1:${ports[1]}`, "--rates", rates.join(","), "--seconds", seconds,
    ]));
  } finally {
    await Promise.all(children.map(stop));
  }
}

/** How long a single node takes to be ready, its memory then, and its size. */
export async function starting() {
  const port = await freePort();
  const began = process.hrtime.bigint();
  const child = await start(servers.ours.line(port), { env: environment, port });
  try {
    await until("it is ready", async () => (await request(port, "/readyz", { host: `localhost:${port}` })).status === 200, { every: 2 });
    const ms = Number(process.hrtime.bigint() - began) / 1e6;
    await pause(500);
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    const rss = Number(status.match(/^VmRSS:\s+(\d+)/m)[1]) / 1024;
    return [{ kind: "start", ready_ms: ms, rss_mib: rss, binary_mb: statSync(join(programs, "global-presence")).size / 1e6 }];
  } finally {
    await stop(child);
  }
}
