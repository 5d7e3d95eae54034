// Regions that run the example `applause`, and a crowd that claps in all of them.
import { join } from "node:path";
import { BareClient } from "./client.mjs";
import { mesh } from "./node.mjs";
import { target } from "./paths.mjs";
import { pause } from "./until.mjs";

export const applause = join(target, "release", "applause");

/** Regions whose sockets may clap as fast as they can. `options` as for `mesh`. */
export function theatre(t, regions, options) {
  const args = ["--messages-per-second", "100000", "--message-burst", "100000", "--bytes-per-second", "64mb"];
  return mesh(t, regions, (region, place) => ({ program: applause, args, ...options(region, place) }));
}

/** What a node's page says. */
export async function claps(node) {
  const { body, status } = await node.get("/");
  if (status !== 200) throw new Error(`${node.name} answered ${status}`);
  return Number(body.match(/id="claps">(-?\d+)</)[1]);
}

/**
 * One visitor's socket, which claps again as soon as a clap is answered, with `window` claps at a time, and goes back to its node
 * when that was killed. `tally` has `answered`, `sent`, `failed`, and `wanted`: it stops when that many were answered.
 */
export async function clapping(t, node, tally, window = 2) {
  while (tally.answered < tally.wanted) {
    try {
      const client = await BareClient.join(t, node);
      await Promise.all(Array.from({ length: window }, () => clapOn(client, tally)));
      client.end();
    } catch (error) {
      tally.lost = error.message;
      await pause(50); // the node is being started again
    }
  }
}

async function clapOn(client, tally) {
  while (tally.answered + tally.waiting < tally.wanted) {
    tally.sent += 1;
    tally.waiting += 1;
    try {
      const answer = await Promise.race([client.reflex("Applause#clap", {}, { within: 20_000 }), ended(client)]);
      if (answer.name === "stimulus-reflex:morph-nothing") tally.answered += 1;
      else tally.failed += 1;
    } finally {
      tally.waiting -= 1;
    }
  }
}

/** Rejects when a client's socket is closed. */
function ended(client) {
  client.ended ??= new Promise((_, reject) => client.socket.once("close", () => reject(new Error("its node was killed"))));
  client.ended.catch(() => {});
  return client.ended;
}
