// Facts that an operator removes: over the API and by the command, in every region, for good.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { BareClient } from "../lib/client.mjs";
import { environment } from "../lib/environment.mjs";
import { Node, apiKey, folder, mesh } from "../lib/node.mjs";
import { read } from "../lib/page.mjs";
import { program } from "../lib/paths.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const headers = { authorization: `Bearer ${apiKey}` };

function facts(node) {
  return node.json("/api/v1/facts?room=demo", { headers }).then((answer) => answer.facts);
}

async function run(...words) {
  const env = environment({ GP_API_KEY: apiKey });
  const { stdout } = await promisify(execFile)(program, ["facts", ...words], { env });
  return stdout.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

test("a removed fact is gone in all regions and stays gone", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"], () => ({ dataDir: folder(t) }));
  const [ams, iad] = nodes;
  const client = await BareClient.join(t, ams, { draws: true });
  await client.toggle();
  await client.hi();
  await untilEqual("both facts crossed", async () => (await facts(iad)).length, 2);
  const [message, bulb] = (await facts(iad)).sort((a, b) => Boolean(b.entry) - Boolean(a.entry));
  assert.ok(message.entry && !bulb.entry && bulb.region === "ams", JSON.stringify([message, bulb]));

  const removed = await iad.json(`/api/v1/facts?room=demo&key=${bulb.key}`, { method: "DELETE", headers });
  assert.deepEqual(removed, { room: "demo", key: bulb.key, removed: 1 });
  await until("the page is redrawn in the other region", () => client.bulb === false);
  assert.deepEqual(await run("delete", "demo", message.key, "--entry", message.entry, "--url", `http://localhost:${ams.port}`), [{ room: "demo", key: message.key, removed: 1 }]);
  for (const node of nodes) await untilEqual("nothing is left", () => facts(node), []);
  assert.equal(read((await iad.get("/")).body).messages.length, 0);

  await client.close();
  await Promise.all(nodes.map((node) => node.drain()));
  await Promise.all(nodes.map((node) => node.start()));
  for (const node of nodes) assert.deepEqual(await facts(node), [], "nor after a restart");
});

test("a fact is removed from the data directory of a stopped node, and then from the other nodes", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"], () => ({ dataDir: folder(t) }));
  const [ams, iad] = nodes;
  const client = await BareClient.join(t, ams, { draws: true });
  await client.toggle();
  await untilEqual("it crossed", async () => (await facts(iad)).length, 1);
  const refused = await run("list", "demo", "--data-dir", ams.options.dataDir).catch((error) => error.stderr);
  assert.match(refused, /stop the node first, or write its --url/);
  await client.close();
  await ams.drain();

  const [bulb] = await run("list", "demo", "--data-dir", ams.options.dataDir);
  assert.equal(bulb.region, "ams");
  assert.deepEqual(await run("delete", "demo", bulb.key, "--data-dir", ams.options.dataDir), [{ room: "demo", key: bulb.key, removed: 1 }]);
  assert.deepEqual(await run("list", "demo", "--data-dir", ams.options.dataDir), []);
  assert.equal((await facts(iad)).length, 1);
  await ams.start();
  for (const node of nodes) await untilEqual("gone everywhere", () => facts(node), [], { within: 15_000 });
  const elsewhere = await run("list", "demo", "--data-dir", folder(t)).catch((error) => error.stderr);
  assert.match(elsewhere, /has no facts/);
});

test("an export of a running node is imported once into another one and into an empty folder", { timeout: 180_000 }, async (t) => {
  const from = await Node.start(t, { region: "ams" });
  const client = await BareClient.join(t, from, { draws: true });
  await client.toggle();
  await client.hi();
  await untilEqual("both are written", async () => (await facts(from)).length, 2);
  const lines = await run("export", "--url", `http://localhost:${from.port}`);
  assert.deepEqual(lines.map(({ room, kind }) => `${room} ${kind}`).sort(), ["demo log", "demo register"]);
  const file = join(folder(t), "facts.jsonl");
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));

  const [node, dataDir] = [await Node.start(t, { region: "iad" }), join(folder(t), "new")];
  for (const of of [["--url", `http://localhost:${node.port}`], ["--data-dir", dataDir]]) {
    assert.deepEqual(await run("import", file, ...of), [{ taken: 2, known: 0, refused: 0 }]);
    assert.deepEqual(await run("import", file, ...of), [{ taken: 0, known: 2, refused: 0 }]);
    assert.deepEqual(await run("export", ...of), lines);
  }
  assert.equal(read((await node.get("/")).body).messages.length, 1, "the page shows them");

  writeFileSync(file, `${JSON.stringify(lines[0])}\n{"record":"no fact"}\n`);
  const broken = await run("import", file, "--data-dir", dataDir).catch((error) => error.stderr);
  assert.match(broken, /line 2: not a fact/);
  writeFileSync(file, `${JSON.stringify(lines[0])}\n{"record":"AAAA"}\n`);
  const refused = await run("import", file, "--url", `http://localhost:${node.port}`).catch((error) => error.stderr);
  assert.match(refused, /"refused":1.*line 2: malformed/);
});
