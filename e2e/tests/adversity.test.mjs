// A node continues to serve without its peers and without its disk.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { smallDisk } from "../lib/disk.mjs";
import { Node, apiKey, mesh } from "../lib/node.mjs";
import { read } from "../lib/page.mjs";
import { fastClicks } from "../lib/rooms.mjs";
import { until, untilEqual } from "../lib/until.mjs";

/** Page, clicks and presence work. */
async function serves(t, node) {
  const one = await BareClient.join(t, node, { draws: true });
  const other = await BareClient.join(t, node, { draws: true });
  const before = one.bulb;
  const answer = await one.toggle();
  assert.equal(answer.name, "stimulus-reflex:morph-nothing");
  await until("a click is drawn", () => other.bulb === !before);
  await other.hi();
  await until("and kept on the page", async () => read((await node.get("/")).body).messages[0]?.user === other.own);
  await Promise.all([one.close(), other.close()]);
}

/** `/readyz` answers 200 with this reason in its body. */
async function degraded(node, reason, within = 10_000) {
  await until(`ready, but ${reason}`, async () => {
    const answer = await node.get("/readyz", { headers: { authorization: `Bearer ${apiKey}` } });
    assert.equal(answer.status, 200, answer.body);
    return reason.test(answer.body) || assert.fail(answer.body);
  }, { within });
}

test("a node whose only peer does not exist serves", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { mesh: true, peers: ["quic/127.0.0.1:9"] });
  await degraded(node, /no other node/i);
  await serves(t, node);
});

test("a node that is cut off serves", { timeout: 180_000 }, async (t) => {
  const [left, ...lost] = await mesh(t, ["ams", "iad", "yyz"]);
  await Promise.all(lost.map((node) => node.kill()));
  await degraded(left, /iad/);
  await serves(t, left);
  await until("it is logged", () => left.log.includes("iad"));
});

test("a node whose disk is full serves, and writes the rest when the disk has room", { timeout: 180_000 }, async (t) => {
  const disk = await smallDisk(t);
  const node = await Node.start(t, { dataDir: disk.path, command: disk.command, args: fastClicks });
  await serves(t, node);
  disk.fill();
  const client = await BareClient.join(t, node, { draws: true });
  await until("the disk has no room", async () => {
    for (let clicks = 0; clicks < 20; clicks += 1) await client.hi();
    return /disk|store|written|space/i.test((await node.get("/readyz")).body);
  }, { within: 30_000 });
  await degraded(node, /disk|store|written|space/i);
  await serves(t, node);
  await until("it is logged", () => /disk|store|written|space/i.test(node.log));
  const shown = read((await node.get("/")).body);

  disk.free();
  await until("everything is written", async () => !/disk|store|written|space/i.test((await node.get("/readyz")).body), { within: 30_000 });
  await node.kill();
  await node.start();
  const after = read((await node.get("/")).body);
  assert.equal(after.on, shown.on);
  assert.deepEqual(after.messages, shown.messages);
});

test("mistakes end the start with one line that says what to write instead", { timeout: 180_000 }, async (t) => {
  const wrong = [
    { options: { mesh: true, env: { GP_SECRET: "" } }, says: /GP_SECRET/ },
    { options: { env: { GP_SECRET: "short" } }, says: /GP_SECRET.*32/ },
    { options: { listen: "nowhere" }, says: /address/ },
    { options: { region: "Not A Region" }, says: /region/i },
  ];
  for (const { options, says } of wrong) {
    const node = await Node.prepare(t, options);
    await node.start({ ready: false });
    const { code } = await node.ended;
    assert.notEqual(code, 0);
    assert.match(node.log, says);
    assert.equal(node.log.trim().split("\n").length, 1, node.log);
  }
});

test("a second node on a taken address says so", { timeout: 180_000 }, async (t) => {
  const first = await Node.start(t);
  const second = await Node.prepare(t, { port: first.port });
  await second.start({ ready: false });
  const { code } = await second.ended;
  assert.notEqual(code, 0);
  assert.match(second.log, new RegExp(String(first.port)));
});

test("a node exits with both addresses if another node has its name", { timeout: 180_000 }, async (t) => {
  const first = await Node.start(t, { mesh: true, name: "twin" });
  const second = await Node.prepare(t, { mesh: true, name: "twin", region: "yyz", peers: [first] });
  first.options.peers = [second];
  await second.start({ ready: false });
  const { code } = await second.ended;
  assert.notEqual(code, 0);
  assert.match(second.log, new RegExp(`${first.meshPort}[\\s\\S]*${second.meshPort}|${second.meshPort}[\\s\\S]*${first.meshPort}`));
  await untilEqual("the older node continues", async () => (await first.get("/readyz")).status, 200);
});
