// Six regions on one machine that are linked by NATS: one command starts its servers, and none of them outlives it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { environment } from "../lib/environment.mjs";
import { mountNamespace } from "../lib/namespace.mjs";
import { folder } from "../lib/node.mjs";
import { program } from "../lib/paths.mjs";
import { freePort } from "../lib/ports.mjs";
import { until, untilEqual } from "../lib/until.mjs";
import { world } from "../lib/world.mjs";

/** The processes whose command line names this folder: the regions and servers of the world that keeps its data there. */
function processesOf(kept) {
  const lines = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).map((pid) => {
    try {
      return { pid: Number(pid), line: readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0") };
    } catch {
      return { pid, line: [] };
    }
  });
  return lines.filter(({ line }) => line.some((word) => word.startsWith(`${kept}/`)));
}

const serversOf = (kept) => processesOf(kept).filter(({ line }) => line[0].endsWith("nats-server"));

test("six regions are linked by three NATS servers, and Ctrl-C ends all of them", { timeout: 180_000 }, async (t) => {
  const kept = folder(t);
  const running = await world(t, ["--mesh", "nats", "--data-dir", kept]);
  assert.match(running.said, /Starting three NATS servers \(nats-server: v[\d.]+\), joined as gateways, on ports \d+, \d+, \d+\./);
  assert.match(running.said, /Every region hears every other/);
  assert.equal(serversOf(kept).length, 3);
  const [toronto, chennai] = await Promise.all(["yyz", "maa"].map((region) => BareClient.join(t, running.node(region), { draws: true })));
  await toronto.toggle();
  await until("the bulb is lit in Chennai", () => chennai.bulb);
  running.child.kill("SIGINT");
  assert.deepEqual(await running.ended, { code: 0, signal: null }, running.said);
  assert.deepEqual(processesOf(kept), []);
  assert.doesNotMatch(running.said, /panicked|did not stop cleanly/);
});

test("the NATS servers end even if the command that started them is killed", { timeout: 180_000 }, async (t) => {
  const kept = folder(t);
  // The regions go on without the command.
  t.after(() => processesOf(kept).forEach(({ pid }) => process.kill(pid, "SIGKILL")));
  const running = await world(t, ["--mesh", "nats", "--data-dir", kept]);
  assert.equal(serversOf(kept).length, 3);
  running.child.kill("SIGKILL");
  await running.ended;
  await untilEqual("no server is left", () => serversOf(kept).length, 0);
});

test("where nats-server is not installed, a sentence says what to do", { timeout: 60_000 }, async (t) => {
  const without = await mountNamespace(t, "mount -t tmpfs none /usr/sbin && mount -t tmpfs none /usr/local/sbin");
  const kept = join(folder(t), "kept");
  const child = spawn(...without.command(program, ["world", "--mesh", "nats", "--port", String(await freePort()), "--data-dir", kept]), { env: environment({ PATH: "/usr/bin:/bin" }), stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (complaint += text));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 1);
  assert.match(complaint, /^global-presence: nats-server is not installed, .*install it .*leave out --mesh nats\n$/);
});
