// A node under a service manager: the units, what the node says, and a restart in which no connection is refused.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { environment } from "../lib/environment.mjs";
import { Node, apiKey, folder, secret } from "../lib/node.mjs";
import { program, root } from "../lib/paths.mjs";
import { Service } from "../lib/service.mjs";
import { selfSigned } from "../lib/tls.mjs";
import { until } from "../lib/until.mjs";

/** One connection that asks for a page; how it went: a status, or the code of an error. */
function visit(port) {
  return new Promise((resolve) => {
    let answer = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(`GET / HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n\r\n`));
    socket.setEncoding("latin1").on("data", (text) => (answer += text));
    socket.on("error", (error) => resolve(error.code)).on("close", () => resolve(answer.slice(9, 12) || "no answer"));
  });
}

test("no connection is refused and every one is answered while a service is restarted twice", { timeout: 180_000 }, async (t) => {
  const service = await Service.start(t, { dataDir: folder(t) });
  const outcomes = new Map();
  let going = true;
  const visiting = Promise.all(Array.from({ length: 4 }, async () => {
    while (going) {
      const outcome = await visit(service.port);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  }));
  const client = await BareClient.join(t, service, { draws: true, returns: true });
  await client.toggle();
  const first = service.pid;
  await service.systemctl("restart");
  await service.systemctl("restart");
  await until("the visitor is back", () => client.welcomes > 1, { within: 30_000 });
  going = false;
  await visiting;
  assert.notEqual(service.pid, first);
  assert.deepEqual([...outcomes.keys()], ["200"], JSON.stringify([...outcomes]));
  assert.deepEqual(service.reports.filter(({ ended }) => ended !== undefined).map(({ ended }) => ended), [0, 0]);
  assert.equal(service.said("STOPPING=1"), 2);
});

test("a service says again and again that it works, and is started again when it was killed", { timeout: 180_000 }, async (t) => {
  const service = await Service.start(t);
  await service.untilSaid("WATCHDOG=1", 2);
  service.signal("SIGKILL");
  await service.untilSaid("READY=1", 2);
});

test("the units are right, and the example of an environment is a configuration", (t) => {
  const path = folder(t);
  for (const unit of ["global-presence.service", "global-presence.socket"]) {
    const text = readFileSync(join(root, "deploy", unit), "utf8");
    writeFileSync(join(path, unit), text.replaceAll("/usr/bin/global-presence", program));
  }
  const said = execFileSync("systemd-analyze", ["verify", "--man=no", join(path, "global-presence.service")], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  assert.equal(said, "");
  copyFileSync(join(root, "deploy/global-presence.env"), join(path, "env"));
  const lines = readFileSync(join(path, "env"), "utf8").split("\n").filter((line) => /^#?GP_/.test(line)).map((line) => line.replace("#", "").split("="));
  const filled = { GP_SECRET: "s".repeat(64), GP_API_KEY: "k".repeat(32) };
  const env = { PATH: process.env.PATH, ...Object.fromEntries(lines), ...filled };
  const checked = execFileSync(program, ["check"], { encoding: "utf8", env });
  for (const line of [/^region +ams: Amsterdam/m, /^public address +https:\/\/example\.org$/m, /^mesh +quic\/\[::\]:7447$/m, /^metrics +http:\/\/127\.0\.0\.1:9400\/metrics$/m]) {
    assert.match(checked, line);
  }
  assert.doesNotMatch(checked, /^warning +no /m, "no option is missing");
  assert.doesNotMatch(checked, /sss|kkk/, "no secret is shown");
});

test("a command whose reader has seen enough ends quietly", () => {
  for (const command of ["check", "completion bash", "key --site https://shop.example"]) {
    // The reader has gone before the first line comes.
    const line = `(sleep 0.2; exec "$0" ${command}) | true; exit "\${PIPESTATUS[0]}"`;
    const { status, stderr } = spawnSync("bash", ["-c", line, program], { encoding: "utf8", env: environment({ GP_SECRET: secret }) });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" }, command);
  }
});

test("check finds what would stop a node, in one line, and shows no secret", (t) => {
  const { key } = selfSigned(t, "localhost");
  const { certificate } = selfSigned(t, "localhost");
  const check = (args, env = {}) => spawnSync(program, ["check", ...args], { encoding: "utf8", env: environment(env) });
  for (const [args, env, line] of [
    [["--tls-cert", certificate, "--tls-key", key], {}, /--tls-cert .* and --tls-key .* do not match/],
    [["--tls-cert", "/none.pem", "--tls-key", key], {}, /--tls-cert \/none\.pem/],
    [["--mesh-listen", "quic/[::]:7447"], {}, /needs GP_SECRET/],
    [["--mesh-listen", "quic/[::]:7447", "--mesh-ca", "/a", "--mesh-cert", "/b", "--mesh-key", "/c"], { GP_SECRET: secret }, /--mesh-ca \/a/],
    [["--log", "info,,=x"], {}, /--log/],
    [[], { GP_SECRET: "short" }, /GP_SECRET has 5 bytes/],
    [[], { GP_SECRET_PREVIOUS: secret }, /GP_SECRET_PREVIOUS is no longer read/],
    [["--region", "Amsterdam, Netherlands"], {}, /--region/],
  ]) {
    const { status, stdout, stderr } = check(args, env);
    assert.deepEqual([status, stdout], [1, ""], stderr);
    assert.match(stderr, line);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
  const { status, stdout } = check(
    ["--mesh-listen", "quic/[::]:7447", "--mesh-peer", "quic/nowhere.invalid:7447,quic/127.0.0.1:7448", "--webhook-url", "https://hooks.example/hidden", "--memory", "1gb"],
    { GP_SECRET: secret, GP_SECRET_PREVIOUS: "", GP_API_KEY: apiKey, GP_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32).toString("base64")}` },
  );
  assert.equal(status, 0);
  assert.match(stdout, /^other node +quic\/nowhere\.invalid:7447: does not resolve now$/m);
  assert.match(stdout, /^other node +quic\/127\.0\.0\.1:7448: 127\.0\.0\.1$/m);
  assert.match(stdout, /^webhooks +https:\/\/hooks\.example$/m);
  assert.match(stdout, /^warning +no --data-dir/m);
  for (const hidden of [secret, apiKey, "hidden", "whsec"]) assert.ok(!stdout.includes(hidden), hidden);
});

test("health is 0 for a node that works, 1 for one that drains or is gone, and waits if it is asked to", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--drain-over", "2s"] });
  const health = (...args) => new Promise((resolve) => execFile(program, ["health", "--listen", `127.0.0.1:${node.port}`, ...args], { env: environment() }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr })));
  assert.deepEqual([(await health()).code, (await health("--ready")).code], [0, 0]);
  const client = await BareClient.join(t, node);
  const drained = node.drain();
  await until("it drains", async () => (await health("--ready")).code === 1);
  client.end();
  await drained;
  const gone = await health();
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /^global-presence: http:\/\/127\.0\.0\.1:\d+\/? can't be reached/);
  const waits = health("--ready", "--within", "20s");
  await node.start();
  assert.equal((await waits).code, 0);
});
