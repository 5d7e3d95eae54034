// The mesh in a terminal: a table for scripts, and a screen that is left as it was found.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { BareClient } from "../lib/client.mjs";
import { environment } from "../lib/environment.mjs";
import { Node, apiKey } from "../lib/node.mjs";
import { program } from "../lib/paths.mjs";
import { until } from "../lib/until.mjs";

const env = environment({ GP_API_KEY: apiKey, TERM: "xterm" });

test("top prints a table once, or draws it each second until q is pressed", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { region: "ams", name: "ams-1" });
  await BareClient.join(t, node, { draws: true });
  const { stdout } = await promisify(execFile)(program, ["top", "--once", "--url", node.url], { env });
  assert.match(stdout, /^ams-1 \S+, ready, hears 1 of 1 regions\n1 users, 0 unsure, 1 tabs in all rooms; 1 sockets here\n/);
  assert.match(stdout, /^NODE +REGION +STATE .*\nams-1 +ams +live /m);
  const wrong = await promisify(execFile)(program, ["top", "--once", "--url", node.url], { env: { ...env, GP_API_KEY: "another" } }).catch((error) => error);
  assert.ok(wrong.code === 1 && /401/.test(wrong.stderr), wrong.stderr);
  const piped = await promisify(execFile)(program, ["top", "--url", node.url], { env }).catch((error) => error);
  assert.ok(piped.code === 1 && /write --once/.test(piped.stderr), piped.stderr);

  // A terminal of its own, in which `stty` says afterwards how it was left.
  const child = spawn("script", ["-qefc", `${program} top --url ${node.url}; stty -a`, "/dev/null"], { env, stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (shown += text));
  const ended = new Promise((resolve) => child.on("close", resolve));
  await until("it is drawn on the other screen", () => shown.startsWith("\x1b[?1049h") && shown.includes("1 sockets here"));
  await BareClient.join(t, node, { draws: true });
  await until("it is drawn again", () => shown.includes("2 sockets here"));
  child.stdin.write("q");
  assert.equal(await ended, 0);
  const after = shown.split("\x1b[?25h\x1b[?1049l")[1] ?? assert.fail("the first screen is back");
  assert.match(after, /(?<!-)\bicanon\b/);
  assert.match(after, /(?<!-)\becho\b/);
});
