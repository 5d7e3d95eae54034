// What an operator reads in the log, and changes about it while the node runs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Node, apiKey } from "../lib/node.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

/** The lines of a JSON log that have this target. */
function records(node, target) {
  return node.log.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)).filter((line) => line.target === target);
}

/** The line of a request. */
function record(node, target, id) {
  return until(`${target} of ${id}`, () => records(node, target).find(({ span }) => span?.id === id));
}

test("the filter of the log is changed while the node runs, and for a while", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--log", "warn"] });
  const put = async (body) => {
    const { status, body: text } = await node.get("/api/v1/log", { method: "PUT", headers, body: JSON.stringify(body) });
    return { status, ...JSON.parse(text) };
  };
  const said = async (signal) => {
    const before = node.log.length;
    node.signal(signal);
    await until(`${signal} is logged`, () => node.log.slice(before).includes(`ignored ${signal}`));
  };
  assert.deepEqual(await node.json("/api/v1/log", { headers }), { filter: "warn", configured: "warn", ends_in: null });
  const changed = await put({ filter: "info,presence_core=debug" });
  assert.deepEqual(changed, { status: 200, filter: "info,presence_core=debug", configured: "warn", ends_in: null });
  await said("SIGUSR1");
  assert.match(node.log, /audit: .*changed the filter of the log .*key="GP_API_KEY"/);

  const short = await put({ filter: "error", for: 1 });
  assert.deepEqual([short.filter, short.ends_in], ["error", 1]);
  await untilEqual("the earlier filter", async () => (await node.json("/api/v1/log", { headers })).filter, "info,presence_core=debug");
  await said("SIGUSR2");
  for (const wrong of [{ filter: "loud" }, { filter: "[a{b=.*}]=info" }, { for: 0 }, { level: "info" }]) {
    const { status, detail } = await put(wrong);
    assert.ok(status === 400 && detail.endsWith("."), JSON.stringify([wrong, status, detail]));
  }
  assert.deepEqual(await put({}), { status: 200, filter: "warn", configured: "warn", ends_in: null });
});

test("a request is named in its answer and in all its lines, and its line says no room and no whole address", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--access-log", "--log", "error", "--log-format", "json"] });
  const ask = (path, id, options = {}) => node.get(path, { ...options, headers: { ...options.headers, "x-request-id": id } });

  const page = await ask("/", "first", { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
  assert.equal(page.headers["x-request-id"], "first");
  const { method, route, status, bytes, ms, address, span } = await record(node, "access", "first");
  assert.deepEqual([method, route, status, address], ["GET", "page", 200, "127.0.0.0"]);
  assert.ok(bytes === Buffer.byteLength(page.body) && ms >= 0, `${bytes} ${ms}`);
  assert.equal(span.trace_id, traceId);
  await ask("/api/v1/rooms/a-room-with-a-name", "second");
  assert.equal((await record(node, "access", "second")).route, "/api/v1/rooms/{room}");
  assert.ok(!node.log.includes("a-room-with-a-name"));
  const { headers: made } = await node.get("/healthz", { headers: { "x-request-id": "two words" } });
  assert.match(made["x-request-id"], /^[0-9a-f]{16}$/);
  assert.equal((await record(node, "access", made["x-request-id"])).route, "/healthz");
});

test("what a key changes is recorded with its name, and so are wrong keys", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--log", "error", "--log-format", "json"] });
  const member = "0".repeat(64);
  const changes = [
    ["published", "/api/v1/publish", { method: "POST", body: JSON.stringify({ stream: "bench", data: 1 }) }, { stream: "bench", bytes: 1 }],
    ["dismissed a member", "/api/v1/rooms/dismiss", { method: "POST", body: JSON.stringify({ room: "demo", member }) }, { room: "demo", member }],
    ["set a site", "/api/v1/sites/shop.example", { method: "PUT", body: JSON.stringify({ rooms_per_site: 500, keys: [2, 1] }) }, { site: "https://shop.example", settings: '{"rooms_per_site":500,"keys":[2,1]}' }],
    ["removed facts", "/api/v1/facts?room=demo&key=light", { method: "DELETE" }, { room: "demo", fact: "light", removed: 0 }],
  ];
  for (const [message, path, options, expected] of changes) {
    const { headers: answered } = await node.get(path, { ...options, headers });
    const line = await record(node, "audit", answered["x-request-id"]);
    assert.deepEqual([line.message, line.key, line.address, line.level], [message, "GP_API_KEY", "127.0.0.1", "INFO"]);
    for (const [name, value] of Object.entries(expected)) assert.equal(line[name], value, name);
  }
  const wrong = await node.get("/api/v1/mesh", { headers: { authorization: "Bearer another" } });
  assert.match((await record(node, "audit", wrong.headers["x-request-id"])).message, /wrong API key/);
  assert.deepEqual(records(node, "access"), [], "requests are logged only if the operator wants that");
});
