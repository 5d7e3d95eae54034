// What metrics count, each caused for real: visitors, sockets, links, certificates, webhooks, an app that panics.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import tls from "node:tls";
import { BareClient } from "../lib/client.mjs";
import { series } from "../lib/metrics.mjs";
import { Node, folder, mesh } from "../lib/node.mjs";
import { target } from "../lib/paths.mjs";
import { measured } from "../lib/prometheus.mjs";
import { cableSocket, listenTo } from "../lib/sockets.mjs";
import { selfSigned } from "../lib/tls.mjs";
import { until, untilEqual } from "../lib/until.mjs";
import { receiver, telling } from "../lib/webhooks.mjs";

/** Resolves once the series of a node are as expected: numbers, or conditions. */
async function untilSeries(node, expected, options) {
  await until(`series of ${node.name}`, async () => {
    const now = await series(node);
    const wrong = Object.entries(expected).filter(([name, wanted]) => {
      const value = now.get(`presence_${name}`);
      return typeof wanted === "function" ? !wanted(value) : value !== wanted;
    });
    if (wrong.length > 0) throw new Error(wrong.map(([name]) => `${name} is ${now.get(`presence_${name}`)}`).join(", "));
    return true;
  }, options);
}

const atLeast = (count) => (value) => value >= count;

test("what visitors do is counted: tabs, subscriptions, frames, pings, flushes, clicks", { timeout: 180_000 }, async (t) => {
  const node = await measured(await Node.prepare(t, { args: ["--ping-every", "500ms", "--probe-every", "500ms", "--sockets-per-address", "3"] }));
  await node.start();
  await untilSeries(node, {
    joins_total: 0, 'leaves_total{cause="closed"}': 0, 'takeovers_total{from="here"}': 0, subscriptions: 0, 'streams{kind="page"}': 0, facts_written_total: 0,
    addresses_at_limit: 0, 'socket_frames_total{direction="received"}': 0, 'socket_bytes_total{direction="sent"}': 0, pong_seconds_count: 0, flush_seconds_count: 0,
    'driver_inputs_total{input="click"}': 0, 'task_up{task="timer wheel"}': 1, panics_total: 0,
  });
  const [first, second, third] = [await BareClient.join(t, node, { draws: true }), await BareClient.join(t, node), await BareClient.join(t, node)];
  await first.toggle();
  // Each page listens to its room, to what is its user's own, and has clicks; three subscribes and a click are four frames of the first.
  await untilSeries(node, {
    joins_total: 3, subscriptions: 9, 'streams{kind="page"}': 4, facts_written_total: 1, addresses_at_limit: 1,
    'socket_frames_total{direction="received"}': atLeast(10), 'socket_bytes_total{direction="received"}': atLeast(1_000),
    'socket_frames_total{direction="sent"}': atLeast(12), 'socket_bytes_total{direction="sent"}': atLeast(2_000),
    pong_seconds_count: atLeast(3), pong_seconds_sum: (sum) => sum > 0, flush_seconds_count: atLeast(1), flush_seconds_sum: (sum) => sum > 0,
    'driver_inputs_total{input="click"}': 1, 'driver_input_seconds_total{input="click"}': (sum) => sum > 0, 'driver_inputs_total{input="visit"}': atLeast(6),
    'driver_inputs_total{input="draw"}': atLeast(1), 'driver_inputs_total{input="tick"}': atLeast(1),
  });
  const now = await series(node);
  const kinds = [...now].filter(([name]) => name.startsWith("presence_driver_input_seconds_total")).map(([, seconds]) => seconds);
  assert.ok(kinds.length === 8 && Math.abs(kinds.reduce((sum, seconds) => sum + seconds, 0) - now.get("presence_driver_busy_seconds_total")) < 0.01, "all kinds together are what the driver does");

  await second.close();
  await untilSeries(node, { 'leaves_total{cause="closed"}': 1, addresses_at_limit: 0, subscriptions: 6 });
  // A reload: the page counts in the place of the one before.
  await BareClient.join(t, node, { jar: second.jar });
  await untilSeries(node, { joins_total: 4, 'takeovers_total{from="here"}': 1, addresses_at_limit: 1 });
  third.end();
  await untilSeries(node, { 'leaves_total{cause="lost"}': 1, 'leaves_total{cause="closed"}': 1, addresses_at_limit: 0 });
});

test("what waits for a slow socket is seen, and how often one that sends too much is slowed down", { timeout: 180_000 }, async (t) => {
  const limits = ["--send-buffer", "4kb", "--socket-queue", "256kb", "--messages-per-second", "5", "--message-burst", "5"];
  const node = await Node.start(t, { args: ["--public-streams", "bench", ...limits] });
  const socket = cableSocket(node).on("error", () => {});
  t.after(() => socket.terminate());
  await listenTo(socket, "bench", () => {});
  await untilSeries(node, { socket_queue_bytes: 0, 'streams{kind="messages"}': 1, socket_pauses_total: 0 });
  socket.pause();
  await until("it waits", async () => {
    await node.post("/api/v1/publish", { stream: "bench", data: "x".repeat(20_000) });
    return (await series(node)).get("presence_socket_queue_bytes") > 20_000;
  });
  socket.terminate();
  await untilSeries(node, { socket_queue_bytes: 0, subscriptions: 0, 'streams{kind="messages"}': 0 });

  const client = await BareClient.join(t, node);
  await Promise.all(Array.from({ length: 10 }, () => client.hi()));
  await untilSeries(node, { socket_pauses_total: atLeast(1) });
});

test("links between nodes are counted, and which node hears which", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await mesh(t, ["ams", "iad"]);
  const peer = (of) => `{peer="${of.name}",peer_region="${of.region}"}`;
  for (const [node, other] of [[ams, iad], [iad, ams]]) {
    await untilSeries(node, {
      mesh_links_opened_total: atLeast(1), [`mesh_peer_hears_us${peer(other)}`]: 1, mesh_gaps_total: 0, 'mesh_messages_dropped_total{reason="not_relayed"}': 0,
      'driver_inputs_total{input="mesh"}': atLeast(1), 'driver_inputs_total{input="link"}': atLeast(1),
    });
  }
  const before = (await series(ams)).get("presence_mesh_links_lost_total");
  await iad.kill();
  await untilSeries(ams, { mesh_links_lost_total: before + 1 });
  await iad.start();
  await untilSeries(ams, { mesh_links_opened_total: atLeast(2) });
});

test("handshakes of TLS are counted by result", { timeout: 180_000 }, async (t) => {
  const { certificate, key } = selfSigned(t, "localhost");
  const node = await measured(await Node.prepare(t, { args: ["--tls-cert", certificate, "--tls-key", key, "--header-within", "1s"] }));
  await node.start({ ready: false });
  const handshakes = async () => {
    const now = await series(node);
    return ["done", "failed", "late"].map((result) => now.get(`presence_tls_handshakes_total{result="${result}"}`));
  };
  await until("it serves", () => series(node).catch(() => undefined));
  const opened = (connect) => new Promise((resolve, reject) => {
    const socket = connect({ port: node.port, host: "127.0.0.1", rejectUnauthorized: false }, () => resolve(socket)).on("error", reject);
    t.after(() => socket.destroy());
  });
  await until("it accepts", () => opened(tls.connect).catch(() => undefined));
  await untilEqual("one handshake", handshakes, [1, 0, 0]);
  (await opened(net.connect)).on("error", () => {}).write("GET / HTTP/1.1\r\n\r\n");
  await untilEqual("one that speaks no TLS", handshakes, [1, 1, 0]);
  await opened(net.connect);
  await untilEqual("one that says nothing", handshakes, [1, 1, 1]);
});

test("when a certificate for links ends is known, before and after it is renewed", { timeout: 180_000 }, async (t) => {
  const [first, second] = [selfSigned(t, "localhost", { days: 3 }), selfSigned(t, "localhost", { days: 90 })];
  const files = ["--mesh-ca", first.certificate, "--mesh-cert", first.certificate, "--mesh-key", first.key];
  const node = await Node.start(t, { mesh: true, args: files });
  const end = ({ certificate }) => Date.parse(execFileSync("openssl", ["x509", "-noout", "-enddate", "-in", certificate], { encoding: "utf8" }).split("=")[1]) / 1_000;
  await untilSeries(node, { mesh_certificate_expiry_timestamp_seconds: end(first) });
  for (const file of ["certificate", "key"]) copyFileSync(second[file], first[file]);
  node.signal("SIGHUP");
  await untilSeries(node, { mesh_certificate_expiry_timestamp_seconds: end(second) });
  const derived = await Node.start(t, { mesh: true });
  assert.equal((await series(derived)).get("presence_mesh_certificate_expiry_timestamp_seconds"), undefined, "one that is made from the secret does not end");
});

test("webhooks that wait are counted, and resyncs", { timeout: 180_000 }, async (t) => {
  let status = 503;
  const hook = await receiver(t, { answer: () => status });
  const node = await Node.start(t, telling(hook.url));
  await BareClient.join(t, node);
  await untilSeries(node, { 'webhooks_pending{receiver="0"}': atLeast(1), 'webhook_resyncs_total{receiver="0"}': atLeast(1) });
  status = 204;
  await untilSeries(node, { 'webhooks_pending{receiver="0"}': 0, 'webhooks_delivered_total{receiver="0"}': atLeast(1) }, { within: 60_000 });
});

test("panics of the app are counted by function", { timeout: 180_000 }, async (t) => {
  const faults = folder(t);
  const node = await Node.start(t, { program: join(target, "release/examples/faulty_app"), env: { FAULTS: faults } });
  await untilSeries(node, { 'app_panics_total{function="page"}': 0, 'app_panics_total{function="render"}': 0 });
  writeFileSync(join(faults, "panics"), "");
  assert.equal((await node.get("/")).status, 500);
  await untilSeries(node, { 'app_panics_total{function="page"}': 1, 'app_panics_total{function="render"}': 0, panics_total: 0 });
});
