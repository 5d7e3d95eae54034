// Many visitors on one node for a while, for `make soak-connections` and a test.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../e2e/lib/ports.mjs";
import { target } from "./paths.mjs";
import { measurements, start, stop } from "./run.mjs";

const program = (name) => join(process.env.BENCH_PROGRAMS ?? join(target, "release"), name);

/** Returns a measurement for every ten seconds; fails if a page stays wrong or a socket is closed. */
export async function soak({ connections, seconds, tell = () => {} }) {
  for (const name of ["global-presence", "load"]) if (!existsSync(program(name))) throw new Error(`${program(name)} is not built`);
  const port = await freePort();
  const line = [program("global-presence"), "--listen", `127.0.0.1:${port}`, "--region", "ams", "--sockets-per-address", "100000"];
  const node = await start(line, { env: { GP_LOG: "error" }, port });
  try {
    const measured = await measurements([
      program("load"), "--address", `127.0.0.1:${port}`, "--pid", String(node.pid), "--scenario", "soak",
      "--connections", String(connections), "--seconds", String(seconds),
    ], {}, ({ cpu_percent: cpu, rss_mib: rss, connections: present, true_after_ms: ms }) => {
      tell(`${present} present, ${cpu.toFixed(0)} % of a core, ${rss.toFixed(0)} MiB, all pages true after ${(ms / 1_000).toFixed(1)} s`);
    });
    const failed = measured.find(({ kind }) => kind === "failed");
    if (failed) throw new Error(failed.why);
    return measured;
  } finally {
    await stop(node);
  }
}
