// Twelve nodes start together and find each other in each possible way: all hear all in 8 s, and no node is known twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownNames } from "../lib/names.mjs";
import { Node, meshProtocol } from "../lib/node.mjs";
import { freePort } from "../lib/ports.mjs";
import { pause, until } from "../lib/until.mjs";

const NODES = 12;
const WITHIN_MS = 8_000;
const STARTS = Number(process.env.STARTS ?? 3);
const NAME = "nodes.mesh.test";

/** Nodes on 127.0.0.11 and on, all on one port, as one name needs it; `peers` gets the node's place and all addresses. */
async function prepare(t, peers, { command } = {}) {
  const meshPort = await freePort();
  const hosts = Array.from({ length: NODES }, (_, place) => `127.0.0.${11 + place}`);
  const addresses = hosts.map((host) => `${meshProtocol}/${host}:${meshPort}`);
  const nodes = [];
  for (const [place, address] of addresses.entries()) {
    const region = ["ams", "iad", "lhr", "maa", "scl", "yyz"][place % 6];
    nodes.push(await Node.prepare(t, {
      region, name: `node-${place}`, command, peers: peers(place, addresses, meshPort), args: ["--mesh-listen", address],
    }));
  }
  return { nodes, hosts };
}

/** Resolves when every node says of every other that it is live, completely known and heard directly. */
async function allHearAll(nodes, begun) {
  const left = new Set(nodes);
  await until("all hear all", async () => {
    for (const node of left) {
      const { nodes: known } = await node.mesh({ timeout: 2_000 });
      const heard = known.filter(({ state, via }) => state === "live" && !via);
      assert.equal(new Set(known.map((other) => other.node)).size, known.length, `${node.name} knows a node twice`);
      if (heard.length !== NODES) throw new Error(`${node.name} hears ${heard.length} of ${NODES}`);
      left.delete(node);
    }
    return true;
  }, { within: Math.max(begun + WITHIN_MS - Date.now(), 0), every: 50 });
  return Date.now() - begun;
}

async function stop(nodes) {
  await Promise.all(nodes.map((node) => node.kill()));
}

const ways = {
  "the full list": (place, addresses) => addresses.filter((_, other) => other !== place),
  "one seed": (place, addresses) => (place === 0 ? [] : [addresses[0]]),
  "a name for all": (place, addresses, port) => [`${meshProtocol}/${NAME}:${port}`],
};

for (const [way, peers] of Object.entries(ways)) {
  test(`twelve nodes with ${way} hear each other in 8 s`, { timeout: STARTS * 90_000 }, async (t) => {
    const hosts = Array.from({ length: NODES }, (_, place) => `127.0.0.${11 + place}`);
    const names = way === "a name for all" ? await ownNames(t, { [NAME]: hosts }) : {};
    for (let start = 1; start <= STARTS; start += 1) {
      const { nodes } = await prepare(t, peers, names);
      const begun = Date.now();
      for (const node of nodes) node.launch([], {});
      const took = await allHearAll(nodes, begun);
      t.diagnostic(`start ${start}: all hear all after ${took} ms`);
      await stop(nodes);
    }
  });
}

test("twelve nodes with a name that grows while they start hear each other in 8 s", { timeout: STARTS * 90_000 }, async (t) => {
  for (let start = 1; start <= STARTS; start += 1) {
    const names = await ownNames(t);
    const { nodes, hosts } = await prepare(t, ways["a name for all"], names);
    for (const [place, node] of nodes.entries()) {
      names.add(NAME, hosts[place]);
      node.launch([], {});
      await pause(500);
    }
    const took = await allHearAll(nodes, Date.now());
    t.diagnostic(`start ${start}: all hear all ${took} ms after the last one's start`);
    await stop(nodes);
  }
});
