// Signals that would end a process without a drain, and memory that is nearly used up.
import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import tls from "node:tls";
import WebSocket from "ws";
import { Node, folder } from "../lib/node.mjs";
import { request } from "../lib/http.mjs";
import { freePort } from "../lib/ports.mjs";
import { selfSigned } from "../lib/tls.mjs";
import { until } from "../lib/until.mjs";

test("signals that are not meant for a node do not end it, and SIGQUIT drains it", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  for (const signal of ["SIGUSR1", "SIGUSR2", "SIGALRM"]) {
    node.signal(signal);
    await until(`${signal} is logged`, () => node.log.includes(`ignored ${signal}`));
  }
  node.signal("SIGHUP");
  await until("SIGHUP is logged", () => node.log.includes("SIGHUP: reading certificates, API keys, sites and the log's filter again"));
  assert.equal((await node.get("/healthz")).status, 200);
  node.signal("SIGQUIT");
  assert.deepEqual(await node.ended, { code: 0, signal: null });
  assert.match(node.log, /drained/);
});

test("a signal during the start is not lost", { timeout: 180_000 }, async (t) => {
  const node = await Node.prepare(t);
  await node.start({ ready: false });
  await until("it listens for signals", () => node.log.length > 0 || node.exit, { every: 1 });
  node.signal("SIGTERM");
  assert.deepEqual(await node.ended, { code: 0, signal: null });
});

test("a node without memory takes no further sockets and says so", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--memory", "1mb"] });
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}/cable`, ["actioncable-v1-json"], { origin: `http://127.0.0.1:${node.port}` });
  const answer = await new Promise((resolve, reject) => {
    socket.on("unexpected-response", (_, response) => resolve(response));
    socket.on("open", () => reject(new Error("the socket was opened")));
    socket.on("error", reject);
  });
  assert.deepEqual([answer.statusCode, answer.headers["retry-after"]], [503, "10"]);
  assert.match((await node.json("/readyz")).degraded.join(), /^memory is full: \d+ of 1 MiB/);
  assert.equal((await node.get("/")).status, 200, "pages are served");
});

test("SIGHUP makes a node use a renewed certificate at once", { timeout: 180_000 }, async (t) => {
  const [first, second] = [selfSigned(t, "localhost"), selfSigned(t, "localhost")];
  const port = await freePort();
  const node = await Node.prepare(t, { args: ["--tls-cert", first.certificate, "--tls-key", first.key, "--metrics-listen", `127.0.0.1:${port}`] });
  await node.start({ ready: false });
  const shown = () => new Promise((resolve, reject) => {
    const socket = tls.connect({ port: node.port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate().fingerprint256);
      socket.end();
    });
    socket.on("error", reject);
  });
  const before = await until("it serves", () => shown().catch(() => undefined), { within: 20_000 });
  const { body } = await request(port, "/metrics");
  assert.match(body, /^presence_tls_certificate_expiry_timestamp_seconds \d{10}$/m);
  copyFileSync(second.key, first.key);
  copyFileSync(second.certificate, first.certificate);
  node.signal("SIGHUP");
  await until("the other certificate is shown", async () => (await shown()) !== before);
  await until("it is logged", () => node.log.includes("loaded the certificate for browsers again"));
});

test("SIGHUP makes a node use another filter of its log, and keep it if the next one is broken", { timeout: 180_000 }, async (t) => {
  const file = join(folder(t), "filter");
  writeFileSync(file, "");
  const node = await Node.start(t, { args: ["--log", "warn", "--log-filter-file", file] });
  assert.doesNotMatch(node.log, /serving on/, "an empty file stands for --log");
  const read = async (text, said) => {
    writeFileSync(file, text);
    const before = node.log.length;
    node.signal("SIGHUP");
    await until(said, () => node.log.slice(before).includes(said));
  };
  await read("info\n", "loaded the filter of the log again");
  await read("presence_server=[", "could not load the filter of the log again");
  node.signal("SIGUSR1");
  await until("the log is still that of info", () => node.log.includes("ignored SIGUSR1"));
  writeFileSync(file, "warn");
  node.signal("SIGHUP");
  await until("nothing but warnings is logged", () => {
    const before = node.log.length;
    node.signal("SIGUSR2");
    return new Promise((resolve) => setTimeout(() => resolve(node.log.length === before), 200));
  });
});
