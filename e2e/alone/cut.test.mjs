// The link between two of three nodes is cut: the third one relays, no user becomes unsure, nothing is late.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { ownNames } from "../lib/names.mjs";
import { Node } from "../lib/node.mjs";
import { freePort } from "../lib/ports.mjs";
import { udpRelay } from "../lib/relay.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

/**
 * Three nodes that advertise themselves by name. What `ams.mesh.test` means to iad, and `iad.mesh.test` to ams, is a relay
 * between the two; lhr reaches both directly. `cut(way)`: packets from ams to iad ("one way"), or all.
 */
async function triangle(t) {
  const port = await freePort();
  const own = { ams: "127.0.0.21", iad: "127.0.0.22", lhr: "127.0.0.23" };
  const relayed = { ams: "127.0.0.31", iad: "127.0.0.32" };
  const relays = {
    ams: await udpRelay(t, port, { listen: port, at: relayed.ams, address: own.ams }),
    iad: await udpRelay(t, port, { listen: port, at: relayed.iad, address: own.iad }),
  };
  const nodes = [];
  for (const region of ["ams", "iad", "lhr"]) {
    const others = ["ams", "iad", "lhr"].filter((other) => other !== region);
    const names = await ownNames(t, Object.fromEntries(Object.keys(own).map((other) => {
      const through = region !== "lhr" && other !== "lhr" && other !== region;
      return [`${other}.mesh.test`, through ? relayed[other] : own[other]];
    })));
    nodes.push(await Node.prepare(t, {
      region, name: region, command: names.command,
      peers: others.map((other) => `quic/${other}.mesh.test:${port}`),
      args: ["--mesh-listen", `quic/${own[region]}:${port}`, "--mesh-advertise", `quic/${region}.mesh.test:${port}`],
    }));
  }
  await Promise.all(nodes.map((node) => node.start()));
  await until("all hear all directly", () => allDirect(nodes), { within: 15_000, every: 100 });
  const ways = { both: [["ams", undefined], ["iad", undefined]], "one way": [["iad", "there"], ["ams", "back"]] };
  const change = (verb) => (way) => ways[way].forEach(([region, direction]) => relays[region][verb](direction));
  return { nodes, cut: change("cut"), heal: () => change("heal")("both") };
}

/** Every node hears every other directly. */
async function allDirect(nodes) {
  for (const node of nodes) {
    const { nodes: known } = await node.mesh();
    for (const { node: name, state, via } of known) {
      if (state !== "live" || via) throw new Error(`${node.name} says of ${name}: ${state} via ${via}`);
    }
    if (known.length !== nodes.length) throw new Error(`${node.name} knows ${known.length}`);
  }
  return true;
}

async function asked(node) {
  return (await node.mesh()).tables_asked;
}

for (const way of ["both", "one way"]) {
  test(`a link that is cut ${way === "both" ? "in both directions" : way} is relayed around`, { timeout: 90_000 }, async (t) => {
    const { nodes, cut, heal } = await triangle(t);
    const [ams, iad] = nodes;
    const here = await BareClient.join(t, ams, { draws: true });
    const there = await BareClient.join(t, iad, { draws: true });
    const leaver = await BareClient.join(t, ams);
    for (const node of nodes) await untilEqual("three are counted", () => node.counts(), { users: 3, tabs: 3, unsure: 0 });
    const before = await Promise.all(nodes.map(asked));
    const watched = nodes.map((node) => watchCounts(t, node));

    cut(way);
    const cutAt = Date.now();
    await pause(1_000);
    await leaver.close();
    await BareClient.join(t, ams);
    await BareClient.join(t, ams);
    await BareClient.join(t, iad);
    const acted = Date.now();
    await Promise.all([ams, iad].map((node) =>
      untilEqual("joins and leaves are right", () => node.counts(), { users: 5, tabs: 5, unsure: 0 }, { within: 8_000 - (Date.now() - acted) })));
    t.diagnostic(`joins and leaves were right everywhere ${Date.now() - acted} ms after they were made`);

    await pause(Math.max(0, cutAt + 6_000 - Date.now()));
    for (let click = 0; click < 6; click += 1) {
      const [clicks, sees] = click % 2 === 0 ? [here, there] : [there, here];
      const wanted = !clicks.bulb;
      await clicks.toggle();
      await until(`click ${click} is seen`, () => sees.bulb === wanted && here.bulb === wanted, { within: 1_000, every: 5 });
    }
    assert.equal((await ams.mesh()).nodes.find(({ node }) => node === "iad").via, "lhr");
    const after = await Promise.all(nodes.map(asked));
    after.forEach((count, place) => assert.ok(count - before[place] <= 1, `${nodes[place].name} asked for ${count - before[place]} whole tables`));

    heal();
    const healed = Date.now();
    await until("the direct link is back", () => allDirect(nodes), { within: 8_000, every: 50 });
    t.diagnostic(`the direct link was back ${Date.now() - healed} ms after the heal`);
    for (const [place, { values }] of watched.entries()) {
      assert.ok(values().every((counts) => counts.unsure === 0), `${nodes[place].name}: ${JSON.stringify(values())}`);
    }
    for (const node of nodes) assert.deepEqual(await node.counts(), { users: 5, tabs: 5, unsure: 0 });
  });
}
