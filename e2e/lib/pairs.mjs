// A mesh with a network of its own from each node to each other, which a test can cut or slow down.
import { ownNames } from "./names.mjs";
import { Node } from "./node.mjs";
import { freePort } from "./ports.mjs";
import { udpRelay } from "./relay.mjs";

/**
 * Nodes of these regions, not started yet, that advertise themselves by name: what a name means to a node is the relay to that one.
 * `network`: the third byte of their addresses. `options(region)` go to a node. `paths(region)` are the relays to and from it,
 * `path(reader, speaker)` is the one by which a node dials another to read from it, and `cutOneWay(from, to)` loses whatever `from`
 * sends to `to`.
 */
export async function pairedNodes(t, regions, { network, options = () => ({}) }) {
  const port = await freePort();
  const own = (region) => `127.0.${network}.${1 + regions.indexOf(region)}`;
  const relays = new Map();
  const nodes = [];
  for (const [place, region] of regions.entries()) {
    const names = { [`${region}.mesh.test`]: own(region) };
    const others = regions.filter((other) => other !== region);
    for (const other of others) {
      const at = `127.0.${network}.${10 * (1 + place) + regions.indexOf(other)}`;
      // Nodes tell each other all addresses that they know: a relay is of no use to a third node.
      relays.set(`${region} ${other}`, await udpRelay(t, port, { listen: port, at, address: own(other), only: own(region) }));
      names[`${other}.mesh.test`] = at;
    }
    const hosts = await ownNames(t, names);
    const { args = [], command = (program, line) => [program, line], ...more } = options(region);
    nodes.push(await Node.prepare(t, {
      region, name: region, peers: others.map((other) => `quic/${other}.mesh.test:${port}`),
      command: (program, line) => {
        const [first, rest] = command(program, line);
        return hosts.command(first, rest);
      },
      args: ["--mesh-listen", `quic/${own(region)}:${port}`, "--mesh-advertise", `quic/${region}.mesh.test:${port}`, ...args], ...more,
    }));
  }
  const path = (reader, speaker) => relays.get(`${reader} ${speaker}`);
  return {
    nodes,
    paths: (region) => [...relays].filter(([pair]) => pair.split(" ").includes(region)).map(([, relay]) => relay),
    path,
    cutOneWay(from, to) {
      path(from, to).cut("there");
      path(to, from).cut("back");
    },
    heal: () => relays.forEach((relay) => relay.heal()),
  };
}
