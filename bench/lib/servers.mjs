// The measured servers: how each is started, and the arguments of the load.
import { join } from "node:path";
import { freePort } from "../../e2e/lib/ports.mjs";
import { bun, naive } from "./install.mjs";
import { bench, programs } from "./paths.mjs";
import { start, stop } from "./run.mjs";

const key = "a key for benchmarks";
const secret = "a secret for benchmarks alone, the same on every node";
export const environment = { GP_API_KEY: key, GP_SECRET: secret, GP_LOG: "error" };

/** Arguments of our nodes in every measurement. */
export const oursArgs = ["--public-streams", "bench", "--sockets-per-address", "100000"];

const cable = (...identifiers) => ["--protocol", "actioncable", ...identifiers.flatMap((one) => ["--subscribe", JSON.stringify(one)])];
const posts = (path, body, ...more) => ["--publish", path, "--body", body, ...more];
/** The payload's size is such that a broadcast has 204 bytes as a frame in each protocol. */
const raw = ["--protocol", "raw", "--size", "200"];
const socketio = (room) => ["--protocol", "socketio", "--subscribe", `420["join","${room}"]`];

/**
 * `line(port)`: the command; `broadcasts`, `storm`: the load's arguments for broadcasts and storms; `most`: the limit of
 * connections to measure with.
 */
export const servers = {
  ours: {
    name: "Global Presence",
    line: (port) => [join(programs, "global-presence"), "--listen", `127.0.0.1:${port}`, "--region", "ams", ...oursArgs],
    env: environment,
    broadcasts: [...cable({ channel: "$pubsub", stream_name: "bench" }),
      ...posts("/api/v1/publish", '{"stream":"bench","data":{"p":"{payload}"}}', "--header", `Authorization: Bearer ${key}`, "--size", "113")],
    present: ["--protocol", "actioncable", "--pages"],
  },
  /** A room that shows its count and nothing else: for storms. */
  room: {
    name: "Global Presence",
    line: (port) => [join(programs, "counter-room"), "--listen", `127.0.0.1:${port}`, "--region", "ams", "--sockets-per-address", "100000"],
    env: environment,
    storm: ["--protocol", "actioncable", "--pages", "--count-after", "users: "],
  },
  baseline: {
    name: "the baseline",
    line: (port) => [join(programs, "baseline"), String(port)],
    broadcasts: raw,
    storm: [...raw, "--subscribe", "J"],
  },
  bun: {
    name: "Bun (uWebSockets)",
    line: (port) => [bun, join(bench, "peers/bun/server.js"), String(port)],
    broadcasts: raw,
    storm: [...raw, "--subscribe", "J"],
  },
  ws: {
    name: "ws",
    line: (port) => [process.execPath, join(bench, "peers/node/ws.js"), String(port)],
    broadcasts: raw,
    storm: [...raw, "--subscribe", "J"],
  },
  socketio: {
    name: "Socket.IO",
    line: (port) => [process.execPath, join(bench, "peers/node/socketio.js"), String(port)],
    broadcasts: [...socketio("bench"), ...posts("/broadcast", '{"p":"{payload}"}'), "--size", "178"],
    storm: socketio("storm"),
  },
  naive: {
    name: "naive axum",
    line: (port) => [naive, String(port)],
    broadcasts: [...cable({ channel: "BenchChannel" }), ...posts("/broadcast", '{"p":"{payload}"}'), "--size", "134"],
    storm: cable({ channel: "PresenceChannel" }),
  },
  rails: {
    name: "Rails Action Cable",
    most: 1_000,
    line: (port) => ["puma", "-q", "-t", "5:5", "-b", `tcp://127.0.0.1:${port}`, join(bench, "peers/rails/config.ru")],
    redis: true,
    broadcasts: [...cable({ channel: "BenchChannel" }), ...posts("/broadcast", '{"p":"{payload}"}'), "--size", "134"],
    storm: cable({ channel: "PresenceChannel" }),
  },
};

/** Starts a server, passes `{ port, pids }` to `use`, and stops it. */
export async function running(name, use) {
  const { line, env = {}, redis } = servers[name];
  const children = [];
  const all = { ...env };
  try {
    if (redis) {
      const port = await freePort();
      children.push(await start(["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--save", ""], { port }));
      Object.assign(all, { REDIS_URL: `redis://127.0.0.1:${port}/1`, RAILS_ENV: "production", RAILS_MAX_THREADS: "5" });
    }
    const port = await freePort();
    children.push(await start(line(port), { env: all, port }));
    return await use({ port, pids: children.map(({ pid }) => pid) });
  } finally {
    await Promise.all(children.map(stop));
  }
}
