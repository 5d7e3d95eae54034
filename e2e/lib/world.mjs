// A running world: six regions that one command starts.
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { environment } from "./environment.mjs";
import { request } from "./http.mjs";
import { program } from "./paths.mjs";
import { freePort } from "./ports.mjs";
import { until } from "./until.mjs";

export const REGIONS = ["ams", "iad", "lhr", "maa", "scl", "yyz"];

/** A running world; `said` is its output. */
export async function world(t, args = []) {
  const port = await freePort();
  // A setting for one node in the caller's shell must not reach the six.
  const child = spawn(program, ["world", "--port", String(port), ...args], { env: environment({ GP_LISTEN: "127.0.0.1:1" }), stdio: ["ignore", "pipe", "pipe"] });
  const running = { port, child, said: "", pids: () => childrenOf(child.pid) };
  for (const pipe of [child.stdout, child.stderr]) pipe.setEncoding("utf8").on("data", (text) => (running.said += text));
  running.ended = new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal })));
  t.after(async () => {
    child.kill("SIGTERM");
    await running.ended;
  });
  await until("it says how to stop it", () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${running.said}`);
    return running.said.includes("Ctrl-C stops them all");
  }, { within: 40_000 }).catch((error) => {
    throw new Error(`${error.message}\n${running.said}`);
  });
  running.node = (region) => {
    const at = port + REGIONS.indexOf(region);
    return { host: `${region}.localhost`, port: at, url: `http://${region}.localhost:${at}`, get: (path) => request(at, path, { host: `${region}.localhost:${at}` }) };
  };
  return running;
}

/** Processes that this one started and that have not ended. */
function childrenOf(parent) {
  return readdirSync("/proc").filter((pid) => {
    try {
      const [state, from] = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
      return Number(from) === parent && state !== "Z";
    } catch {
      return false;
    }
  }).map(Number);
}
