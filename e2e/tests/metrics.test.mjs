// What nodes tell a monitoring system: read by a real Prometheus, with the alerts and the dashboard that are shipped.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { rulesFile } from "../lib/alerts.mjs";
import { BareClient } from "../lib/client.mjs";
import { Node, allHearAll, apiKey, folder } from "../lib/node.mjs";
import { root } from "../lib/paths.mjs";
import { freePort } from "../lib/ports.mjs";
import { measured, prometheus } from "../lib/prometheus.mjs";
import { until, untilEqual } from "../lib/until.mjs";
import { receiver, telling } from "../lib/webhooks.mjs";

/** Only nodes with certificates of their own have these: e2e/tests/metrics-counts.test.mjs. */
const ofCertificates = /presence_(tls|mesh_certificate)_/;

const authorization = `Bearer ${apiKey}`;

async function prepared(t, options) {
  return measured(await Node.prepare(t, options));
}

function metrics(node, options) {
  return node.get("/metrics", { headers: { authorization }, ...options });
}

test("metrics need the key on the main port and none on their own, in both formats, and say nothing private", { timeout: 180_000 }, async (t) => {
  const node = await prepared(t, { dataDir: folder(t) });
  await node.start();
  const visitor = await BareClient.join(t, node, { draws: true });
  await visitor.toggle();
  assert.equal((await node.get("/metrics")).status, 401);
  assert.equal((await node.get("/metrics", { headers: { authorization: "Bearer wrong" } })).status, 401);
  // What a node holds is reckoned once a second.
  await until("it says what it holds", async () => /^presence_rows\{of="own"\} [1-9]/m.test((await metrics(node)).body));
  const [plain, open] = [await metrics(node), await metrics(node, { headers: { authorization, accept: "application/openmetrics-text; version=1.0.0" } })];
  assert.match(plain.headers["content-type"], /^text\/plain; version=0\.0\.4/);
  assert.match(open.headers["content-type"], /^application\/openmetrics-text; version=1\.0\.0/);
  assert.ok(open.body.endsWith("# EOF\n"));
  const own = await fetch(`http://127.0.0.1:${node.metricsPort}/metrics`).then((answer) => answer.text());
  assert.equal((await node.get("/metrics/sites")).status, 401);
  const sites = await fetch(`http://127.0.0.1:${node.metricsPort}/metrics/sites`).then((answer) => answer.text());
  execFileSync("promtool", ["check", "metrics"], { input: sites });
  for (const text of [plain.body, own]) {
    assert.match(text, /^presence_users\{certainty="sure"\} 1$/m);
    assert.match(text, /^presence_clicks_total\{result="done"\} 1$/m);
    assert.match(text, /^presence_sockets\{protocol="actioncable-v1-json"\} 1$/m);
    assert.match(text, /^presence_wrong_api_keys_total 1$/m);
    assert.match(text, /^presence_rows\{of="own"\} [1-9]/m);
    assert.match(text, /^presence_facts [1-9]/m);
    assert.match(text, /^presence_facts_bytes [1-9]/m);
    assert.match(text, /^presence_store_file_bytes [1-9]/m);
    assert.match(text, /^presence_store_commit_seconds_total \S*[1-9]/m);
    assert.match(text, /^presence_suspended_seconds_total \d/m);
    assert.doesNotMatch(text, /demo|127\.0\.0\.1|lightbulb/, "no room, address or key");
  }
  const [started, again] = [plain.body, own].map((text) => text.match(/^process_start_time_seconds \d.*$/m)[0]);
  assert.equal(again, started, "the same at each scrape");
  assert.equal((await fetch(`http://127.0.0.1:${node.metricsPort}/`)).status, 404, "nothing else is served there");
  execFileSync("promtool", ["check", "metrics"], { input: plain.body });
});

test("a node without a key says how metrics can be had from elsewhere", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { env: { GP_API_KEY: "" } });
  const answer = await node.get("/metrics", { headers: { "x-forwarded-for": "192.0.2.1" } });
  assert.equal(answer.status, 403);
  assert.match(answer.body, /GP_API_KEY in its environment, or with --metrics-listen/);
});

test("every alert has a unit test and a line in the documents, and its rules are right", () => {
  const rules = readFileSync(rulesFile, "utf8");
  const names = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const tests = readFileSync(join(root, "deploy/prometheus/rules.test.yml"), "utf8");
  const document = readFileSync(join(root, "docs/operating/monitoring.md"), "utf8");
  for (const name of names) {
    assert.ok(tests.includes(`alertname: ${name}\n`), `${name} has a unit test`);
    assert.ok(document.includes(`\`${name}\``), `${name} is in monitoring.md`);
  }
  assert.ok(names.length >= 31);
  execFileSync("promtool", ["check", "config", join(root, "deploy/prometheus/prometheus.yml")], { stdio: "pipe" });
  execFileSync("promtool", ["test", "rules", "rules.test.yml"], { cwd: join(root, "deploy/prometheus"), stdio: "pipe" });
});

test("three nodes in a Prometheus: every query finds series, and no alert fires", { timeout: 300_000 }, async (t) => {
  const hooked = telling((await receiver(t)).url);
  const options = () => ({ mesh: true, dataDir: folder(t), args: [...hooked.args, "--memory", "64gb"], env: hooked.env });
  const ams = await prepared(t, { region: "ams", ...options(), args: [...options().args, "--otlp-endpoint", "http://127.0.0.1:9"] });
  const [iad, maa] = await Promise.all(["iad", "maa"].map((region) => prepared(t, { region, peers: [ams], ...options() })));
  const nodes = [ams, iad, maa];
  await Promise.all(nodes.map((node) => node.start()));
  await allHearAll(nodes);
  const server = await prometheus(t, nodes);

  // What a healthy mesh shows.
  const visitor = await BareClient.join(t, ams, { draws: true });
  await BareClient.join(t, maa, { draws: true });
  await visitor.toggle();
  const known = (await server.query('{__name__=~"(presence|process)_.+"}')).map(({ metric }) => metric.__name__);
  const names = new Set(known.map((name) => name.replace(/_(bucket|sum|count)$/, "")));
  // What sites use has an address of its own.
  const { body: sites } = await ams.get("/metrics/sites", { headers: { authorization } });
  for (const [, name, kind] of sites.matchAll(/^# TYPE (\w+) (\w+)$/gm)) names.add(kind === "counter" && !name.endsWith("_total") ? `${name}_total` : name);
  for (const direction of ["sent", "received"]) {
    for (const kind of ["message", "question", "answer"]) {
      for (const counted of ["messages", "bytes"]) {
        const series = await server.query(`presence_mesh_${counted}_total{direction="${direction}",kind="${kind}"} > 0`);
        assert.equal(series.length, nodes.length, `${counted} of each ${kind} ${direction}`);
      }
    }
  }
  const document = readFileSync(join(root, "docs/operating/monitoring.md"), "utf8");
  for (const [name] of document.matchAll(/\b(presence|process)_[a-z_]+[a-z]\b/g)) {
    assert.ok(names.has(name) || ofCertificates.test(name), `monitoring.md says ${name}, and no node does`);
  }
  for (const name of names) assert.ok(document.includes(`\`${name}\``), `${name} is not in monitoring.md`);
  const dashboard = JSON.parse(readFileSync(join(root, "deploy/grafana/dashboard.json"), "utf8"));
  await until("every query of the dashboard finds series", async () => {
    const targets = dashboard.panels.flatMap((panel) => panel.targets);
    for (const { expr } of targets.filter(({ expr }) => !ofCertificates.test(expr))) {
      const series = await server.query(expr.replaceAll("[5m]", "[10s]"));
      if (series.length === 0) throw new Error(`nothing for ${expr}`);
    }
    return true;
  }, { within: 30_000, every: 500 });
  // On a busy machine one may fire for a moment.
  await untilEqual("no alert fires", () => server.firing(), [], { within: 30_000, every: 250 });
});
