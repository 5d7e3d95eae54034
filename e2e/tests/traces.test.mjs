// Traces: a click and what is drawn of it in two regions are one trace, and no node depends on its collector.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import http from "node:http";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { collector } from "../lib/collector.mjs";
import { serve } from "../lib/http.mjs";
import { apiKey, folder, mesh, Node } from "../lib/node.mjs";
import { freePort } from "../lib/ports.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const caller = (flags = "01") => {
  const [trace, span] = [randomBytes(16).toString("hex"), randomBytes(8).toString("hex")];
  return { trace, span, headers: { traceparent: `00-${trace}-${span}-${flags}` } };
};

const authorization = `Bearer ${apiKey}`;

test("a click, and what is drawn of it in two regions, are one trace", { timeout: 180_000 }, async (t) => {
  const { spans, bodies, keys, url } = await collector(t);
  // One region has the collector as an option, the other one as all programs of a machine do.
  const [ams, iad] = await mesh(t, ["ams", "iad"], (region) => ({
    dataDir: folder(t),
    args: ["--traces-per-second", "0", ...(region === "ams" ? ["--otlp-endpoint", url] : [])],
    env: region === "ams" ? { GP_OTLP_HEADERS: "x-key=the%20key" } : { OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/`, OTEL_EXPORTER_OTLP_HEADERS: "x-key=the%20key" },
  }));
  const click = caller();
  const traced = await BareClient.join(t, ams, { draws: true, headers: click.headers });
  const others = await Promise.all([caller("00").headers, undefined].map((headers) => BareClient.join(t, iad, { draws: true, headers })));
  await traced.toggle();
  const of = (trace) => spans.filter((span) => span.traceId === trace);
  await until("three spans", () => of(click.trace).length === 3);

  const [{ spanId, ...taken }] = of(click.trace).filter(({ name }) => name === "click");
  assert.deepEqual([taken.parentSpanId, taken.kind, taken.node["presence.region"], taken.node["service.instance.id"]], [click.span, 2, "ams", ams.name]);
  const drawn = of(click.trace).filter(({ name }) => name === "draw");
  assert.deepEqual(drawn.map(({ node }) => node["presence.region"]).sort(), ["ams", "iad"]);
  for (const { parentSpanId, attributes } of drawn) {
    assert.equal(parentSpanId, spanId);
    assert.ok(attributes["presence.shown"] && attributes["presence.kinds"].includes("register"), JSON.stringify(attributes));
  }
  for (const { startTimeUnixNano, endTimeUnixNano } of of(click.trace)) {
    const [start, end] = [startTimeUnixNano, endTimeUnixNano].map((ns) => Number(BigInt(ns) / 1_000_000n));
    assert.ok(start <= end && end - start < 10_000 && Math.abs(end - Date.now()) < 60_000, `${start} to ${end}`);
  }

  const removal = caller();
  await ams.get(`/api/v1/facts?room=demo&key=lightbulb`, { method: "DELETE", headers: { authorization, ...removal.headers } });
  await until("its removal is traced", () => of(removal.trace).some(({ name }) => name === "remove"));
  // Clicks of those who are in no trace are in none, and all nodes have the same facts.
  for (const client of others) await client.hi();
  await untilEqual("equal facts", async () => (await ams.mesh()).facts_root, (await iad.mesh()).facts_root);
  await traced.hi();
  await until("the next click is traced", () => of(click.trace).filter(({ name }) => name === "click").length === 2);
  const known = new Set([click.trace, removal.trace]);
  assert.deepEqual(spans.filter(({ traceId }) => !known.has(traceId)), []);

  assert.deepEqual([...keys], ["the key"]);
  const sent = bodies.join("\n");
  for (const secret of ["demo", "127.0.0.1", "the key", "lightbulb"]) assert.ok(!sent.includes(secret), secret);
  const root = (await ams.mesh()).facts_root;
  await iad.drain();
  await iad.start();
  await untilEqual("the disk has the same bytes", async () => (await iad.mesh()).facts_root, root);
});

test("a collector that is down costs spans and a line, and no click", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--otlp-endpoint", `http://127.0.0.1:${await freePort()}/secret-path`], env: { GP_OTLP_HEADERS: "x-key=hidden" } });
  const client = await BareClient.join(t, node, { draws: true });
  const dropped = async () => {
    const { body } = await node.get("/metrics", { headers: { authorization } });
    return Number(body.match(/^presence_trace_spans_dropped_total (\d+)$/m)[1]);
  };
  for (const spans of [2, 4]) {
    await client.toggle();
    await untilEqual("both spans are counted", dropped, spans);
  }
  const lines = node.log.split("\n").filter((line) => line.includes("could not send traces"));
  assert.equal(lines.length, 1, node.log);
  for (const hidden of ["hidden", "secret-path"]) assert.ok(!node.log.includes(hidden), hidden);
});

test("the last click before a node stops is at the collector, and a collector that is slow delays the stop by a second at most", { timeout: 180_000 }, async (t) => {
  const { spans, url } = await collector(t);
  // Spans are gathered for a second: a node that stops sooner would lose them.
  const soon = ["--drain-over", "50ms", "--otlp-endpoint"];
  const node = await Node.start(t, { args: [...soon, url] });
  const client = await BareClient.join(t, node, { draws: true });
  await client.toggle();
  assert.equal((await node.drain()).code, 0);
  assert.deepEqual(spans.map(({ name }) => name).sort(), ["click", "draw"]);

  const slow = await serve(t, http.createServer(() => {}));
  const waits = await Node.start(t, { args: [...soon, `http://127.0.0.1:${slow}`] });
  const other = await BareClient.join(t, waits, { draws: true });
  await other.toggle();
  const [began, { code }] = [Date.now(), await waits.drain()];
  assert.equal(code, 0);
  assert.match(waits.log, /does not take the last spans/);
  const took = Date.now() - began;
  assert.ok(took >= 1_000 && took < 2_500, `${took} ms`);
});
