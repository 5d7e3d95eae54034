// docs/operating/incidents.md: each fault is caused, and the printed commands mend it.
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { clockOf } from "../lib/clock.mjs";
import { smallDisk } from "../lib/disk.mjs";
import { Machine, blocks } from "../lib/machine.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const page = "incidents.md";

/** Machines of these regions that hear each other. */
async function regions(t, codes, more = {}) {
  const first = await Machine.create(t, { options: { GP_REGION: codes[0] }, ...more[codes[0]] });
  const others = await Promise.all(codes.slice(1).map((code) => Machine.create(t, { options: { GP_REGION: code }, peers: [first], ...more[code] })));
  const all = [first, ...others];
  const live = Object.fromEntries(codes.map((code) => [code, "live"]));
  for (const machine of all) await untilEqual("all are live", async () => sorted(await machine.states()), sorted(live), { within: 15_000, every: 200 });
  return all;
}

const sorted = (object) => Object.fromEntries(Object.entries(object).sort());
const facts = async (machine) => (await machine.ask("/api/v1/facts?room=demo")).facts.length;
const visitor = (t, machine) => BareClient.join(t, machine.service, { draws: true });

/** Opens connections that stay. */
function connect(t, port, count, from) {
  const sockets = Array.from({ length: count }, () => net.connect({ port, host: "127.0.0.1", localAddress: from }).on("error", () => {}));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  return until("all have tried", () => sockets.every((socket) => !socket.connecting));
}

describe("run books of incidents", { concurrency: 3 }, () => {
  test("a region is silent", { timeout: 180_000 }, async (t) => {
    const [ams, iad] = await regions(t, ["ams", "iad"]);
    iad.service.signal("SIGSTOP");
    await until("it is silent", async () => (await ams.states()).iad === "silent", { within: 15_000, every: 200 });
    const [look] = blocks(page, "When something breaks");
    assert.match(await ams.run(look), /"degraded":\[".*"state":"silent"/s);
    await iad.run(blocks(page, "A region is silent")[0]);
    await until("it is live", async () => (await ams.states()).iad === "live", { within: 15_000, every: 200 });
  });

  test("a disk is full", { timeout: 180_000 }, async (t) => {
    const disk = await smallDisk(t);
    const options = { GP_REGION: "ams", GP_MESH_LISTEN: "", GP_MESSAGES_PER_SECOND: 1_000, GP_MESSAGE_BURST: 1_000 };
    const ams = await Machine.create(t, { options, dataDir: disk.path, command: disk.command });
    const client = await visitor(t, ams);
    disk.fill("facts.redb.broken-2026-11-01");
    await until("it is degraded", async () => {
      for (let count = 0; count < 20; count += 1) await client.hi();
      return (await ams.ask("/readyz")).degraded.length > 0;
    }, { within: 30_000 });
    const said = await ams.run(blocks(page, "A disk is full")[0]);
    assert.match(said, /100%/);
    assert.match(said, /facts\.redb\.broken-2026-11-01/);
    await untilEqual("everything is written", async () => (await ams.ask("/readyz")).degraded, [], { within: 15_000, every: 200 });
  });

  test("a disk is broken: its file, then all of it", { timeout: 180_000 }, async (t) => {
    const [ams, iad] = await regions(t, ["ams", "iad"]);
    await (await visitor(t, ams)).toggle();
    await untilEqual("both know the fact", () => facts(iad), 1);
    await iad.service.systemctl("stop");
    writeFileSync(join(iad.dataDir, "facts.redb"), "broken".repeat(5_000));
    await iad.service.systemctl("start");
    await untilEqual("it is fetched", () => facts(iad), 1, { within: 15_000 });
    assert.ok(readdirSync(iad.dataDir).some((name) => name.startsWith("facts.redb.broken-")));
    const said = await iad.run(blocks(page, "A disk is broken")[0]);
    assert.match(said, /"facts":\[\{/, "the last command shows them");
    assert.deepEqual(readdirSync(iad.dataDir).filter((name) => name.includes("broken")), []);
  });

  test("a clock is wrong", { timeout: 180_000 }, async (t) => {
    const [ams, iad, yyz] = await regions(t, ["ams", "iad", "yyz"]);
    const home = yyz.home;
    await yyz.service.stop();
    writeFileSync(join(home, "clock"), "-120");
    yyz.command = clockOf(join(home, "clock"));
    for (const name of ["control", "notify", "reports"]) await yyz.run(`rm -f ${join(home, name)}`);
    await yyz.start();
    const clock = async (machine) => (await machine.ask("/readyz")).degraded.join();
    await until("the node says so", async () => /clock/.test(await clock(yyz)), { within: 20_000, every: 200 });
    await until("another one does, too", async () => /clock/.test(await clock(ams)), { within: 20_000, every: 200 });
    await yyz.run(blocks(page, "A clock is wrong")[0]);
    for (const machine of [yyz, ams, iad]) await untilEqual("it is right", () => clock(machine), "", { within: 30_000, every: 200 });
  });

  test("a node is full", { timeout: 180_000 }, async (t) => {
    const ams = await Machine.create(t, { options: { GP_REGION: "ams", GP_MESH_LISTEN: "", GP_CONNECTIONS: 40 } });
    await connect(t, ams.port, 60);
    const [look, mend] = blocks(page, "A node is full");
    const said = await ams.run(look);
    assert.match(said, /^presence_connections_max 40$/m);
    assert.match(said, /Max open files +\d+/);
    await ams.run(mend);
    assert.match(await ams.run(look), /^presence_connections_max (?!40$)\d+$/m);
  });

  test("it is attacked", { timeout: 180_000 }, async (t) => {
    const ams = await Machine.create(t, { options: { GP_REGION: "ams", GP_MESH_LISTEN: "", GP_TRUSTED_PROXY: "" } });
    await connect(t, ams.port, 200, "127.0.0.66");
    await ams.service.get("/api/v1/mesh", { headers: { authorization: "Bearer wrong" } });
    const [look, mend] = blocks(page, "It is attacked");
    const said = await ams.run(look);
    assert.match(said, /^ +200 127\.0\.0\.66$/m);
    assert.match(said, /^presence_refusals_total\{/m);
    assert.match(said, /address=127\.0\.0\.1$/m);
    await ams.run(mend);
    await until("it is ready", async () => (await ams.ask("/readyz")).ready);
    await connect(t, ams.port, 200, "127.0.0.66");
    const left = async () => Number((await ams.run(look)).match(/^ +(\d+) 127\.0\.0\.66$/m)?.[1]);
    await until("it has fewer", async () => (await left()) <= 50 + 64, { within: 10_000 });
  });
});
