// The API against its own description: thousands of requests, right and wrong ones, to a node that must answer all of them
// as the document says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { Node, apiKey, folder } from "../lib/node.mjs";
import { root, target } from "../lib/paths.mjs";

const schemathesis = join(target, "fuzz/bin/schemathesis");

/** Runs it; `{ code, output, report }`. A seed that failed is replayed with SEED. */
async function fuzz(t, node, { key = apiKey, ...options }) {
  assert.ok(existsSync(schemathesis), "scripts/prepare.sh installs schemathesis");
  const [report, document] = ["report.ndjson", "openapi.json"].map((name) => join(folder(t), name));
  // As a file: the address that a document is read from would itself be left out.
  writeFileSync(document, JSON.stringify(await node.json("/api/openapi.json")));
  const seed = process.env.SEED ?? String(Math.floor(Math.random() * 2 ** 31));
  const args = [
    "--config-file", join(root, "e2e/fuzz/schemathesis.toml"), "run", document, "--url", node.url, "--seed", seed,
"--report-ndjson-path", report, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
  ];
  const env = { ...process.env, GP_API_KEY: key, COLUMNS: "160" };
  const child = spawn(schemathesis, args, { env, cwd: folder(t), stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let output = `seed ${seed}\n`;
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, output, report: readFileSync(report, "utf8").trim().split("\n").map((line) => JSON.parse(line)) };
}

/** How often each operation answered with each status: `{ "GET /api/v1/rooms": { 200: 31, 400: 12 } }`. */
function answers(report) {
  const all = {};
  for (const { ScenarioFinished: scenario } of report) {
    for (const { response } of Object.values(scenario?.recorder?.interactions ?? {})) {
      const counted = (all[scenario.recorder.label] ??= {});
      if (response) counted[response.status_code] = (counted[response.status_code] ?? 0) + 1;
    }
  }
  return all;
}

test("every request is answered as the document says", async (t) => {
  const node = await Node.start(t, { args: ["--log", "warn"] });
  // One visitor, so that members and the busiest rooms are not empty.
  await BareClient.join(t, node);
  const { code, output, report } = await fuzz(t, node, { "max-examples": "300" });
  assert.equal(code, 0, output.slice(-20_000));
  const answered = answers(report);
  const document = await node.json("/api/openapi.json");
  const operations = Object.entries(document.paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`));
  assert.deepEqual(Object.keys(answered).sort(), operations.sort());
  for (const [operation, counted] of Object.entries(answered)) {
    const good = (counted[200] ?? 0) + (counted[202] ?? 0);
    assert.ok(good >= 1, `${operation}: ${JSON.stringify(counted)}`);
    assert.equal(Object.keys(counted).filter((status) => status >= 500).length, 0, operation);
  }
  for (const operation of ["POST /api/v1/publish", "POST /api/v1/rooms/dismiss", "GET /api/v1/rooms/members"]) {
    assert.ok(answered[operation][400] > 0 && answered[operation][401] > 0, `${operation}: ${JSON.stringify(answered[operation])}`);
  }
  assert.equal((await node.get("/")).status, 200);
  assert.ok(!node.log.includes("panicked"), node.log.slice(-2_000));
});

test("a node without a key answers as the document says, too", async (t) => {
  const node = await Node.start(t, { env: { GP_API_KEY: "" } });
  const { code, output, report } = await fuzz(t, node, {
    key: "no key of this node", "max-examples": "10",
    // It wants a 401 for a missing key, whatever the document says; where there is none to be sent that would mislead.
    "exclude-checks": "missing_required_header",
  });
  assert.equal(code, 0, output.slice(-20_000));
  const { 202: taken, 403: refused } = answers(report)["POST /api/v1/publish"];
  assert.ok(!taken && refused > 0, `${taken} ${refused}`);
});
