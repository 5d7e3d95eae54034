// A data directory that can't be used, a file that is broken, and a disk that takes nothing at the end.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { smallDisk } from "../lib/disk.mjs";
import { Node, apiKey, folder, mesh } from "../lib/node.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const headers = { authorization: `Bearer ${apiKey}` };

function facts(node) {
  return node.json("/api/v1/facts?room=demo", { headers }).then((answer) => answer.facts.length);
}

test("a data directory that can't be used ends the start with one line", { timeout: 180_000 }, async (t) => {
  const file = join(folder(t), "file");
  writeFileSync(file, "no folder");
  const node = await Node.prepare(t, { dataDir: file });
  await node.start({ ready: false });
  assert.deepEqual(await node.ended, { code: 1, signal: null });
  const lines = node.log.trim().split("\n");
  assert.equal(lines.length, 1, node.log);
  assert.match(lines[0], /^global-presence: --data-dir .* can't be used/);
});

test("a broken file is put aside and the facts come back from the other nodes", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"], () => ({ dataDir: folder(t) }));
  const [ams, iad] = nodes;
  const client = await BareClient.join(t, iad, { draws: true });
  await client.toggle();
  await untilEqual("the fact crossed", () => facts(ams), 1);
  await ams.drain();
  writeFileSync(join(ams.options.dataDir, "facts.redb"), "broken".repeat(5_000));
  await ams.start();
  await untilEqual("it is there again", () => facts(ams), 1, { within: 15_000 });
  const aside = readdirSync(ams.options.dataDir).find((name) => name.startsWith("facts.redb.broken-"));
  assert.match(readFileSync(join(ams.options.dataDir, aside), "utf8"), /^broken/);
  assert.match(ams.logSinceStart, /put aside as/);
  await ams.drain();
  await iad.kill();
  await ams.start();
  assert.equal(await facts(ams), 1, "from its own disk");
});

test("a node that can't write its last facts does not end with status 0", { timeout: 180_000 }, async (t) => {
  const disk = await smallDisk(t);
  const node = await Node.start(t, { dataDir: disk.path, command: disk.command, args: ["--messages-per-second", "1000", "--message-burst", "1000"] });
  const client = await BareClient.join(t, node, { draws: true });
  disk.fill();
  await until("the disk has no room", async () => {
    await client.hi();
    return (await node.json("/readyz")).degraded.length > 0;
  }, { within: 30_000 });
  const { code } = await node.drain();
  assert.equal(code, 1, node.log);
  assert.match(node.log, /facts can't be written to/);
});
