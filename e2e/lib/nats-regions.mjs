// Regions with a NATS server each, in network namespaces: the network between them can be cut as a real one is, silently.
import { execFileSync } from "node:child_process";
import { NatsServer, tuned, withServers } from "./nats.mjs";
import { Node, allHearAll } from "./node.mjs";

const ip = (...args) => execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"], env: withServers() });

/** Listens where the test is, and hands that socket over as standard input: the node serves the test from within its namespace. */
const HAND_OVER = `
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
os.dup2(listener.fileno(), 0)
os.execvp(sys.argv[2], sys.argv[2:])`;

/** A network namespace for each name, all on one switch. `cut(a, b)` loses every packet between these two. */
function switched(t, id, names) {
  const namespaces = Object.fromEntries(["switch", ...names].map((name) => [name, `gp-${process.pid}-${id}-${name}`]));
  for (const namespace of Object.values(namespaces)) {
    ip("netns", "add", namespace);
    t.after(() => ip("netns", "del", namespace));
    ip("-n", namespace, "link", "set", "lo", "up");
  }
  const at = (name) => names.indexOf(name) + 1;
  const hardware = (name) => `02:00:00:00:00:0${at(name)}`;
  ip("-n", namespaces.switch, "link", "add", "switch", "up", "type", "bridge");
  for (const name of names) {
    ip("link", "add", name, "netns", namespaces.switch, "type", "veth", "peer", "name", "gp0", "address", hardware(name), "netns", namespaces[name]);
    ip("-n", namespaces.switch, "link", "set", name, "master", "switch", "up");
    ip("-n", namespaces[name], "addr", "add", `10.213.8.${at(name)}/24`, "dev", "gp0");
    ip("-n", namespaces[name], "link", "set", "gp0", "up");
  }
  // Packets that go to a card which no one has are lost, and their sender is told nothing.
  const send = (from, to, card) => ip("-n", namespaces[from], "neigh", "replace", `10.213.8.${at(to)}`, "lladdr", card, "dev", "gp0", "nud", "permanent");
  const change = (card) => (a, b) => [[a, b], [b, a]].forEach(([from, to]) => send(from, to, card(to)));
  return {
    inside: (name) => (program, line) => ["ip", ["netns", "exec", namespaces[name], program, ...line]],
    gatewayOf: (name) => `10.213.8.${at(name)}:7222`,
    cut: change(() => "02:00:00:00:00:ff"),
    heal: change(hardware),
  };
}

/**
 * A supercluster of one server a region, and `nodes`: `{ ams: 2, iad: 1 }` says how many each region has. They hear each other when
 * this resolves. `cut(a, b)` and `heal(a, b)` change the network between two regions.
 */
export async function regionsApart(t, id, counts, lines = tuned) {
  const regions = Object.keys(counts);
  const { inside, gatewayOf, cut, heal } = switched(t, id, regions);
  const gateways = regions.map((region) => `{ name: "${region}", url: "nats://${gatewayOf(region)}" }`).join(", ");
  const nodes = [];
  const servers = {};
  for (const region of regions) {
    const gateway = `gateway { name: "${region}", listen: "${gatewayOf(region)}", gateways: [${gateways}] }`;
    const server = (servers[region] = await NatsServer.start(t, [`server_name: "${region}"`, ...lines, gateway], { port: 4222, command: inside(region) }));
    for (let number = 1; number <= counts[region]; number += 1) {
      const node = await Node.prepare(t, { region, name: `${region}-${number}`, nats: server.url, host: `${region}.localhost` });
      node.options.command = (program, line) => ["python3", ["-c", HAND_OVER, String(node.port), ...inside(region)(program, line).flat()]];
      nodes.push(node);
    }
  }
  await Promise.all(nodes.map((node) => node.start()));
  await allHearAll(nodes);
  return { nodes, servers, cut, heal };
}
