// Network interfaces come up after the nodes, and later change their addresses: links follow without a restart.
import { execFile, execFileSync } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { Node, apiKey } from "../lib/node.mjs";
import { until } from "../lib/until.mjs";

const NETWORK = "10.213.7";
const MESH_PORT = 7447;
const run = promisify(execFile);
const ip = (...args) => execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });

/** Two network namespaces, each with only a loopback interface. */
function namespaces(t) {
  const names = ["a", "b"].map((name) => `gp-${process.pid}-${name}`);
  for (const name of names) {
    ip("netns", "add", name);
    t.after(() => ip("netns", "del", name));
    ip("-n", name, "link", "set", "lo", "up");
  }
  return names;
}

/** The mesh as the node in that namespace reports it. */
async function mesh(namespace, node) {
  const url = `http://127.0.0.1:${node.port}/api/v1/mesh`;
  const { stdout } = await run("ip", ["netns", "exec", namespace, "curl", "-s", "-H", `authorization: Bearer ${apiKey}`, "-H", `host: localhost:${node.port}`, url]);
  return JSON.parse(stdout);
}

test("links come up with their interfaces, and follow their addresses", { timeout: 120_000 }, async (t) => {
  const [here, there] = namespaces(t);
  const start = async (namespace, region, peers) => {
    const node = await Node.prepare(t, {
      region, name: region, peers,
      args: ["--mesh-listen", `quic/[::]:${MESH_PORT}`],
      command: (program, line) => ["ip", ["netns", "exec", namespace, program, ...line]],
    });
    node.launch([], {});
    await until(`${region} serves`, async () => (await mesh(namespace, node)).nodes.length === 1, { within: 20_000, every: 100 });
    return node;
  };
  const ams = await start(here, "ams", []);
  const iad = await start(there, "iad", [`quic/${NETWORK}.1:${MESH_PORT}`]);
  const bothHear = (what) => until(what, async () => {
    for (const [namespace, node, other] of [[here, ams, "iad"], [there, iad, "ams"]]) {
      const seen = (await mesh(namespace, node)).nodes.find(({ node: name }) => name === other);
      if (seen?.state !== "live" || seen.via || seen.heard_ms_ago > 1_200) throw new Error(`${node.name} says of ${other}: ${JSON.stringify(seen)}`);
    }
    return true;
  }, { within: 15_000, every: 100 });

  const upAt = Date.now();
  ip("link", "add", "gp0", "netns", here, "type", "veth", "peer", "name", "gp0", "netns", there);
  for (const [namespace, host] of [[here, 1], [there, 2]]) {
    ip("-n", namespace, "addr", "add", `${NETWORK}.${host}/24`, "dev", "gp0");
    ip("-n", namespace, "link", "set", "gp0", "up");
  }
  await bothHear("the nodes hear each other once there is a network");
  t.diagnostic(`linked ${Date.now() - upAt} ms after the interfaces came up`);

  const movedAt = Date.now();
  ip("-n", here, "addr", "del", `${NETWORK}.1/24`, "dev", "gp0");
  ip("-n", here, "addr", "add", `${NETWORK}.3/24`, "dev", "gp0");
  const log = iad.log.length;
  await until("the link to the old address is dead, or replaced", async () => {
    const seen = (await mesh(there, iad)).nodes.find(({ node }) => node === "ams");
    return Date.now() - movedAt > 4_000 && seen.heard_ms_ago < 1_200;
  }, { within: 15_000, every: 100 });
  await bothHear("the nodes hear each other at the new address");
  t.diagnostic(`heard again ${Date.now() - movedAt} ms after the address had changed; ${iad.log.slice(log).split("\n").length - 1} lines of log`);
});
