// Regions linked by NATS gateways, in network namespaces whose network is cut for long: who is silent meanwhile, and how soon they are right again.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BareClient, watch } from "../lib/client.mjs";
import { regionsApart } from "../lib/nats-regions.mjs";
import { apiKey } from "../lib/node.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

/** What a node says of the others, four times a second: `{ name: "live" }`, or the node that relays it instead of `live`. */
function watchOthers(t, node) {
  return watch(t, async () => {
    const { nodes } = await node.mesh();
    return Object.fromEntries(nodes.filter(({ node: name }) => name !== node.name).map(({ node: name, state, via }) => [name, state === "live" && via ? `via ${via}` : state]));
  }, { every: 250 });
}

/** Resolves when all nodes hear all others directly, with the time that it took in ms. */
async function allDirect(nodes) {
  const began = Date.now();
  await until("all hear all directly", async () => {
    for (const node of nodes) {
      const { nodes: known } = await node.mesh();
      const other = known.find(({ state, via }) => state !== "live" || via);
      if (other) throw new Error(`${node.name} says of ${other.node}: ${other.state}, via ${other.via}`);
    }
    return true;
  });
  return Date.now() - began;
}

const users = (count) => ({ users: count, tabs: count, unsure: 0 });

async function allCount(nodes, count, options) {
  await Promise.all(nodes.map((node) => untilEqual(`${node.name} counts ${count}`, () => node.counts(), users(count), options)));
}

describe("networks are cut", { concurrency: 3 }, () => {
  for (const seconds of [20, 90]) {
    test(`two of three regions do not hear each other for ${seconds} s: no node is silent, all count the same, and hear each other directly soon after`, { timeout: 240_000 }, async (t) => {
      const { nodes, cut, heal } = await regionsApart(t, seconds, { ams: 2, iad: 2, yyz: 1 });
      for (const node of nodes) await BareClient.join(t, node);
      await allCount(nodes, 5);
      const watched = nodes.map((node) => watchOthers(t, node));
      const cutAt = Date.now();
      cut("ams", "iad");
      await until("it is relayed", () => /via yyz-1/.test(watched[0].seen.at(-1).text));
      t.diagnostic(`relayed after ${Date.now() - cutAt} ms`);
      let count = 5;
      while (Date.now() - cutAt < seconds * 1_000) {
        count += 1;
        await BareClient.join(t, nodes[count % nodes.length]);
        await allCount(nodes, count, { within: 5_000 });
        await pause(Math.min(5_000, Math.max(0, cutAt + seconds * 1_000 - Date.now())));
      }
      heal("ams", "iad");
      const took = await allDirect(nodes);
      t.diagnostic(`direct ${took} ms after the heal`);
      // A server dials for a second and waits for another one, then each node has to say something: 1.6 to 2.4 s beside other tests.
      assert.ok(took < 6_000, `${took} ms`);
      await allCount(nodes, count);
      for (const [place, { seen }] of watched.entries()) assert.deepEqual(seen.filter(({ text }) => !/^\{.*\}$/.test(text) || /silent/.test(text)), [], nodes[place].name);
      if (seconds === 20) await alone(t, { nodes, cut, heal }, count);
    });
  }

  test("servers with their defaults deliver late: a node that died in a cut is not live afterwards, and the sentence names the settings", { timeout: 240_000 }, async (t) => {
    const { nodes, cut, heal } = await regionsApart(t, "late", { ams: 1, iad: 2 }, []);
    const [ams, iad, dead] = nodes;
    const cutAt = Date.now();
    cut("ams", "iad");
    await until("the other region is silent", async () => (await ams.stateOf("iad")) === "silent", { within: 8_000 });
    await pause(cutAt + 8_000 - Date.now());
    // Its heartbeats of eight seconds wait at the gateway.
    await dead.kill();
    await pause(cutAt + 20_000 - Date.now());
    const watched = watch(t, async () => (await ams.mesh()).nodes.find(({ node }) => node === dead.name)?.state, { every: 25 });
    heal("ams", "iad");
    const healed = Date.now();
    const degraded = async () => JSON.parse((await ams.get("/readyz", { headers: { authorization: `Bearer ${apiKey}` } })).body).degraded;
    const settings = /messages of node [\w-]+ \d+ s late; .*set ping_interval: "1s", ping_max: 2 and write_deadline: "2s" on every NATS server/;
    await until("the operator is told what to set", async () => (await degraded()).some((fault) => settings.test(fault)), { within: 40_000 });
    await untilEqual("the other node is live again", async () => (await ams.mesh()).nodes.find(({ node }) => node === iad.name).state, "live", { within: 40_000 });
    t.diagnostic(`live again ${Date.now() - healed} ms after the heal`);
    assert.deepEqual(watched.values().filter((state) => state !== "silent"), [], "the dead one is silent all the time");
    await BareClient.join(t, ams);
    await allCount([ams, iad], 1);
  });
});

/** iad is cut from all, its own server works: silent at 4 to 5 s on both sides, right again within 5 s, or somewhat later beside other tests. */
async function alone(t, { nodes, cut, heal }, count) {
  const [ams, other, iad, second, yyz] = nodes;
  const cutAt = Date.now();
  for (const region of ["ams", "yyz"]) cut(region, "iad");
  const far = [[ams, "iad"], [other, "iad"], [yyz, "iad"], [iad, "ams"], [iad, "yyz"], [second, "ams"]];
  const times = await Promise.all(far.map(async ([node, region]) => {
    await untilEqual(`${node.name} says that ${region} is silent`, () => node.stateOf(region), "silent", { within: 8_000 });
    return Date.now() - cutAt;
  }));
  t.diagnostic(`silent after ${times.join(", ")} ms`);
  assert.ok(times.every((ms) => ms > 3_000 && ms < 6_000), times.join(", "));
  assert.equal((await iad.mesh()).nodes.find(({ node }) => node === second.name).state, "live", "it hears its own region");
  await BareClient.join(t, iad);
  await BareClient.join(t, yyz);
  await pause(cutAt + 20_000 - Date.now());
  const healed = Date.now();
  for (const region of ["ams", "yyz"]) heal(region, "iad");
  await allCount(nodes, count + 2);
  await allDirect(nodes);
  t.diagnostic(`right again ${Date.now() - healed} ms after the heal`);
  assert.ok(Date.now() - healed < 8_000, `${Date.now() - healed} ms`);
}
