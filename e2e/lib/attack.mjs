// An attack on a node by somebody without the secret while new nodes join, for tests and `make links`.
import { BareNode, attack, built } from "./links.mjs";
import { pause, until } from "./until.mjs";

/** Time between two new nodes. */
const JOIN_EVERY_MS = 3_000;

/**
 * Attacks a bare node, `rate` a second for `seconds`: with Initial packets, or with silent TCP connections where `protocol` is
 * "tls". Meanwhile a new node starts every three seconds. Resolves with how long each took to be linked, in ms, by how much
 * the attacked node's memory grew, in KiB, what it logged, how many links it lost, and its CPU in percent of a core.
 */
export async function attacked(t, { rate, seconds, protocol = "quic", kind, addresses, programs = built }) {
  const node = await BareNode.start(t, "attacked", { listen: `${protocol}/127.0.0.1:0`, programs });
  const listen = `${protocol}/127.0.0.1:0`;
  const friend = await BareNode.start(t, "friend", { listen, dial: [node.address], programs });
  await friend.linked(node.address);
  node.dial(friend.address);
  await node.linked(friend.address);
  // The first guest costs more than the others.
  await join(t, "guest-0", { node, listen, programs });
  const before = await node.report();
  const logged = node.log.length;

  const began = Date.now();
  const attacker = await attack(t, node.socket, { rate, seconds, tcp: protocol === "tls", kind, addresses, programs });
  const joins = [];
  let memory = before.process.rss_kib;
  for (let guest = 1; guest * JOIN_EVERY_MS < seconds * 1_000; guest += 1) {
    await pause(began + guest * JOIN_EVERY_MS - Date.now());
    joins.push(await join(t, `guest-${guest}`, { node, listen, programs }));
    memory = Math.max(memory, (await node.report()).process.rss_kib);
  }
  const done = await attacker.done();
  const after = await node.report();
  await until("the friend is linked still", async () => (await friend.report()).links_up === 1);
  return {
    joins, memory_kib: Math.max(memory, after.process.rss_kib) - before.process.rss_kib, log: node.log.slice(logged).trim().split("\n").filter(Boolean),
    lost: after.links_lost + (await friend.report()).links_lost,
    cpu_percent: (100 * (after.process.cpu_s - before.process.cpu_s)) / ((Date.now() - began) / 1_000), done,
  };
}

/** A new node links to the attacked one and goes; how long that took, in ms. */
async function join(t, name, { node, listen, programs }) {
  const guest = await BareNode.start(t, name, { listen, dial: [node.address], programs });
  const ms = await guest.linked(node.address, { within: 40_000 });
  await guest.quit();
  return ms;
}
