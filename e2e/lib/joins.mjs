// Visitors of a shop's pages who join and leave rooms at an even rate, and how soon a join shows elsewhere.
import WebSocket from "ws";
import { pause, until } from "./until.mjs";

const SHOP = "https://shop.example";
/** Options of nodes whose visitors join as fast as this. */
export const fastJoins = ["--site", SHOP, "--messages-per-second", "10000", "--message-burst", "10000", "--bytes-per-second", "16mb"];
const ROOMS = 400;
/** Rooms that one visitor is in at a time. */
const HELD = 50;
const TICK_MS = 20;
const PROBES = 40;
const PROBE_EVERY_MS = 100;

/** A page of the shop that joins and leaves rooms. */
async function page(t, node) {
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}/presence`, "presence-v1", { origin: SHOP });
  t.after(() => socket.terminate());
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  const send = (message) => socket.send(JSON.stringify(message));
  send({ type: "hello" });
  return { socket, send };
}

/** Joins at an even rate, each in a room that this visitor was last in long ago. */
export async function visits(t, node, each) {
  const { socket, send } = await page(t, node);
  socket.on("message", (text) => {
    if (text.includes('"type":"error"')) throw new Error(String(text));
  });
  const began = Date.now();
  let joined = 0;
  const timer = setInterval(() => {
    for (const due = ((Date.now() - began) / 1_000) * each; joined < due; joined += 1) {
      send({ type: "join", room: `lamp/${joined % ROOMS}` });
      if (joined >= HELD) send({ type: "leave", room: `lamp/${(joined - HELD) % ROOMS}` });
    }
  }, TICK_MS);
  t.after(() => clearInterval(timer));
  return () => joined;
}

/** How long a join on the first node takes until each other node shows it, in ms, sorted. */
export async function arrivals(t, nodes, forMs) {
  const [first, ...others] = nodes;
  const prober = await page(t, first);
  const probes = Array.from({ length: PROBES }, (_, number) => `probe/${number}`);
  // The number of users by room, with the time at which it was told.
  const watching = await Promise.all(others.map(async (node) => {
    const { socket, send } = await page(t, node);
    const told = {};
    socket.on("message", (text) => {
      const { type, room, users } = JSON.parse(text);
      if (type === "counts") told[room] = { at: performance.now(), users };
    });
    for (const room of probes) send({ type: "join", room });
    return told;
  }));
  const all = (room, users) => until(`all show ${users} users`, () => watching.every((told) => told[room]?.users === users), { every: 2 });
  for (const room of probes) await all(room, others.length);
  const took = [];
  const end = Date.now() + forMs;
  for (let lap = 0; Date.now() < end; lap += 1) {
    const room = probes[lap % PROBES];
    // It counts for some time after it has left.
    await all(room, others.length);
    const at = performance.now();
    prober.send({ type: "join", room });
    await all(room, nodes.length);
    took.push(...watching.map((told) => told[room].at - at));
    prober.send({ type: "leave", room });
    await pause(PROBE_EVERY_MS);
  }
  return took.sort((a, b) => a - b);
}
