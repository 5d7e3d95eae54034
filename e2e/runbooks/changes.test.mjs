// docs/operating: install, upgrade and roll back, add, remove and rename a region, back up and restore, by the printed commands.
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { Machine, blocks } from "../lib/machine.mjs";
import { laterProgram, program } from "../lib/paths.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const facts = async (machine) => (await machine.ask("/api/v1/facts?room=demo")).facts.length;
const untilState = (machine, region, state, options) => untilEqual(`${region} is ${state}`, async () => (await machine.states())[region], state, { within: 15_000, every: 200, ...options });

/** The commands of a section that a test must run itself: `enable --now` begins with a service that is not there yet. */
async function runAll(machine, page, heading, options) {
  let said = "";
  for (const block of blocks(page, heading)) said += await machine.run(block, options);
  return said;
}

test("the keys of a site are changed as secrets.md says", { timeout: 180_000 }, async (t) => {
  const ams = await Machine.create(t, { options: { GP_REGION: "ams", GP_MESH_LISTEN: "" } });
  const said = await runAll(ams, "secrets.md", "Change the key of one site");
  assert.match(said, /"site":"https:\/\/shop\.example","source":"api",.*"keys":\[2,1\]\}.*"keys":\[2\]\}/s);
});

describe("run books of changes", { concurrency: 3 }, () => {
  test("upgrade, roll back, change an option", { timeout: 180_000 }, async (t) => {
    const ams = await Machine.create(t, { options: { GP_REGION: "ams" } });
    const iad = await Machine.create(t, { options: { GP_REGION: "iad" }, peers: [ams] });
    await untilState(ams, "iad", "live");
    copyFileSync(laterProgram, join(iad.home, "global-presence.deb"));
    copyFileSync(program, join(iad.home, "global-presence-before.deb"));
    const installed = () => readFileSync(join(iad.home, "bin/global-presence"));
    const client = await BareClient.join(t, ams.service, { draws: true });
    await client.toggle();
    const first = iad.service.pid;
    const [upgrade, look, log] = blocks("upgrade.md", "Upgrade");
    assert.match(await iad.run(upgrade), /"ready":true/);
    await until("another node hears all regions", async () => /"regions_heard":2,"regions_known":2/.test(await ams.run(look)), { within: 15_000, every: 200 });
    assert.match(await iad.run(log), /serving on/);
    assert.ok(installed().equals(readFileSync(laterProgram)) && iad.service.pid !== first);
    await untilState(ams, "iad", "live");
    await runAll(iad, "upgrade.md", "Roll back");
    assert.ok(installed().equals(readFileSync(program)));
    await untilEqual("the fact is there", () => facts(iad), 1);
    await runAll(iad, "upgrade.md", "Change an option", { env: { EDITED: 'GP_REGION_NAME="Somewhere else"' } });
    await until("the others read it", async () => JSON.stringify(await ams.ask("/api/v1/mesh")).includes("Somewhere else"), { within: 10_000 });
    assert.deepEqual(iad.service.reports.filter(({ ended }) => ended).length, 0, "each process has ended with status 0");
    const running = iad.service.pid;
    await assert.rejects(iad.run(blocks("upgrade.md", "Change an option")[0], { env: { EDITED: "GP_REGION=Some-Where" } }), /lower-case letters/);
    assert.equal(iad.service.pid, running, "a mistake is found before the restart");
  });

  test("install, add a region, rename it, remove it", { timeout: 180_000 }, async (t) => {
    const ams = await Machine.create(t, { options: { GP_REGION: "ams" } });
    const fra = await Machine.create(t, { options: { GP_REGION: "lhr" }, peers: [ams] });
    await fra.service.systemctl("stop");
    // Which address the other node has is the machine's business; the rest is as printed.
    const [, ...install] = blocks("install.md", "One node");
    assert.ok(install.length >= 2);
    const said = await fra.run([...install, ...blocks("regions.md", "Add")].join("\n"));
    assert.match(said, /^region +lhr: London/m);
    assert.match(said, /"ready":true/);
    await untilState(ams, "lhr", "live");
    await runAll(fra, "regions.md", "Rename");
    await untilState(ams, "fra", "live");
    await runAll(fra, "regions.md", "Remove");
    for (const region of ["fra", "lhr"]) await untilState(ams, region, undefined, { within: 45_000 });
    await fra.run(install.join("\n"));
    await untilState(ams, "fra", "live");
  });

  test("look at a node: what it logs, and the mesh as it knows it", { timeout: 180_000 }, async (t) => {
    const ams = await Machine.create(t, { options: { GP_REGION: "ams", GP_MESH_LISTEN: "" } });
    const said = await runAll(ams, "monitoring.md", "Read the log");
    assert.match(said, /^\{"filter":"debug","configured":"info","ends_in":60\}$/m);
    const [top] = blocks("monitoring.md", "Look at the mesh in a terminal");
    assert.match(await ams.run(top), /, ready, hears 1 of 1 regions\n[^]*^NODE +REGION/m);
  });

  test("back up and restore", { timeout: 180_000 }, async (t) => {
    const ams = await Machine.create(t, { options: { GP_REGION: "ams", GP_MESH_LISTEN: "" } });
    const client = await BareClient.join(t, ams.service, { draws: true });
    await client.toggle();
    assert.match(await runAll(ams, "backup.md", "Restore"), /^no copy$/m);
    assert.equal(await facts(ams), 1, "without a copy, nothing is removed");
    const [copy] = blocks("backup.md", "Back up");
    const [out, into] = blocks("backup.md", "Export and import").map((block) => block.replaceAll("/var/backups/facts.jsonl", join(ams.home, "facts.jsonl")));
    await ams.run(copy);
    await ams.run(copy);
    assert.deepEqual(readdirSync(ams.backups).sort(), readdirSync(ams.dataDir).sort(), "the second copy takes the place of the first");
    await ams.run(out);
    await ams.service.systemctl("stop");
    writeFileSync(join(ams.dataDir, "facts.redb"), "");
    await ams.service.systemctl("start");
    assert.equal(await facts(ams), 0, "it is lost");
    assert.match(await ams.run(into), /"taken":1/);
    assert.equal(await facts(ams), 1);
    await ams.service.systemctl("stop");
    writeFileSync(join(ams.dataDir, "facts.redb"), "");
    await ams.service.systemctl("start");
    await runAll(ams, "backup.md", "Restore");
    assert.equal(await facts(ams), 1);
  });
});
