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

/** Failures that are named, and characters of each of their parts. */
const [NAMED, PART_CHARACTERS] = [10, 400];

/** Runs it; `{ code, failures, report }`. `change` may make another document of the node's. */
async function fuzz(t, node, { key = apiKey, change = (document) => document, ...options }) {
  assert.ok(existsSync(schemathesis), "scripts/prepare.sh installs schemathesis");
  const [report, document] = ["report.ndjson", "openapi.json"].map((name) => join(folder(t), name));
  // As a file: the address that a document is read from would itself be left out.
  writeFileSync(document, JSON.stringify(change(await node.json("/api/openapi.json"))));
  const seed = process.env.SEED ?? String(Math.floor(Math.random() * 2 ** 31));
  const args = [
    "--config-file", join(root, "e2e/fuzz/schemathesis.toml"), "run", document, "--url", node.url, "--seed", seed,
    "--report-ndjson-path", report, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
  ];
  const env = { ...process.env, GP_API_KEY: key, COLUMNS: "160" };
  const child = spawn(schemathesis, args, { env, cwd: folder(t), stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise((resolve) => child.on("close", resolve));
  const events = readFileSync(report, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const failures = [`SEED=${seed} replays this`, ...failuresOf(events)];
  if (code !== 0 && failures.length === 1) failures.push(output.slice(-4_000));
  return { code, failures: failures.join("\n\n"), report: events };
}

/** The text on one line, cut after PART_CHARACTERS. */
function short(text) {
  const line = String(text).replaceAll(/\s+/g, " ").trim();
  return line.length > PART_CHARACTERS ? `${line.slice(0, PART_CHARACTERS)}… (${line.length} characters)` : line;
}

function content(message) {
  const encoded = message?.content?.$base64 ?? message?.body?.$base64;
  return encoded === undefined ? "" : Buffer.from(encoded, "base64").toString();
}

/** Each rule that an operation has broken, with the first request that did, and whatever kept requests from being made. */
function failuresOf(report) {
  const found = new Map();
  for (const { ScenarioFinished: scenario, NonFatalError: error } of report) {
    if (error) found.set(`error ${found.size}`, short(JSON.stringify(error)));
    const { checks = {}, interactions = {}, label } = scenario?.recorder ?? {};
    for (const [id, results] of Object.entries(checks)) {
      for (const { name, failure_info: info } of results.filter(({ status }) => status !== "success")) {
        if (found.has(`${label} ${name}`)) continue;
        const { request, response } = interactions[id] ?? {};
        found.set(`${label} ${name}`, [
          `${label} breaks ${name}: ${short(info?.failure?.message ?? "")}`,
          `  asked: ${short(`${request?.method} ${request?.uri} ${JSON.stringify(request?.headers ?? {})} ${content(request)}`)}`,
          `  answered: ${response ? short(`${response.status_code} ${response.headers["content-type"]} ${content(response)}`) : "nothing"}`,
        ].join("\n"));
      }
    }
  }
  const all = [...found.values()];
  return all.length > NAMED ? [...all.slice(0, NAMED), `and ${all.length - NAMED} more`] : all;
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
  const { code, failures, report } = await fuzz(t, node, { "max-examples": "100" });
  assert.equal(code, 0, failures);
  const answered = answers(report);
  const document = await node.json("/api/openapi.json");
  const operations = Object.entries(document.paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`));
  assert.deepEqual(Object.keys(answered).sort(), operations.sort());
  for (const [operation, counted] of Object.entries(answered)) {
    // A site of a random name is hardly ever known.
    const good = [200, 202, 204, ...(operation === "GET /api/v1/sites/{host}" ? [404] : [])].reduce((sum, status) => sum + (counted[status] ?? 0), 0);
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
  const { code, failures, report } = await fuzz(t, node, {
    key: "no key of this node", "max-examples": "10",
    // It wants a 401 for a missing key, whatever the document says; where there is none to be sent that would mislead.
    "exclude-checks": "missing_required_header",
  });
  assert.equal(code, 0, failures);
  const { 202: taken, 403: refused } = answers(report)["POST /api/v1/publish"];
  assert.ok(!taken && refused > 0, `${taken} ${refused}`);
});

test("a failure names the request, the answer, the rule and the seed, and is short", async (t) => {
  const node = await Node.start(t);
  const change = (document) => {
    delete document.paths["/api/v1/rooms"].get.responses[400];
    return document;
  };
  const { code, failures } = await fuzz(t, node, { change, "max-examples": "1", phases: "coverage", "include-path": "/api/v1/rooms" });
  assert.equal(code, 1);
  assert.match(failures, /^SEED=\d+ /);
  assert.match(failures, /GET \/api\/v1\/rooms breaks status_code_conformance: .*400/);
  assert.match(failures, /asked: GET http/);
  assert.match(failures, /answered: 400 .*detail/);
  assert.ok(failures.length < 10_000, `${failures.length} characters`);
});
