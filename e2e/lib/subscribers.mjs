// Sockets that subscribe as often as a node lets them. They run in a thread of their own, which this file is, too: what they
// are sent costs the test no time.
import { once } from "node:events";
import net from "node:net";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { textFrame, upgrade } from "./flood.mjs";

/** How many sockets subscribe at a time. */
const AT_A_TIME = 10;
/** Commands of one socket that wait for their answers, each of which repeats the key: more would not fit into its queue. */
const UNANSWERED = 16;
const ANSWER = /"(confirm|reject)_subscription"/g;
/** What is kept of one read for the next, in which the rest of an answer may come: one byte less than the longest. */
const KEPT_CHARACTERS = '"confirm_subscription"'.length - 1;
/** Parameters that mean nothing. The first are longer than any page needs, the second about as long as a node allows. */
const [LONG, SHORT] = ["x".repeat(10_000), "x".repeat(900)];

/** The keys that one socket subscribes to: the same stream again and again, then many other streams. */
function keys(stream, place) {
  const again = (number, padding) => ({ channel: "CableReady::Stream", identifier: stream, key: `${place} ${number} ${padding}` });
  return [
    ...Array.from({ length: 300 }, (_, number) => again(number, LONG)),
    ...Array.from({ length: 10 }, (_, number) => again(number, SHORT)),
    ...Array.from({ length: 200 }, (_, number) => ({ channel: "$pubsub", stream_name: `chat/${number}` })),
  ].map((key) => textFrame(JSON.stringify({ command: "subscribe", identifier: JSON.stringify(key) })));
}

/**
 * Opens `count` sockets, each with as many subscriptions to `stream`, the signed name of a room's stream, and to streams named
 * `chat/…` as it gets. `confirmed` and `rejected` count the answers of each socket, `read()` resolves with `{ bytes, open }`
 * of all, and `end()` closes them.
 */
export async function subscribers(t, node, { stream, count }) {
  const { host, port, url } = node;
  const worker = new Worker(new URL(import.meta.url), { workerData: { node: { host, port, url }, stream, count } });
  t.after(() => worker.terminate());
  const [answered] = await once(worker, "message");
  const ask = async (question) => {
    worker.postMessage(question);
    return (await once(worker, "message"))[0];
  };
  return { ...answered, read: () => ask("read"), end: () => ask("end") };
}

/** Subscribes and resolves with the socket when every command has been answered. */
function subscribed(node, stream, place) {
  const socket = net.connect(node.port, "127.0.0.1");
  Object.assign(socket, { bytes: 0, confirm: 0, reject: 0 });
  const commands = keys(stream, place);
  let [kept, welcomed, sent] = ["", false, 0];
  const answers = () => socket.confirm + socket.reject;
  return new Promise((resolve, reject) => {
    socket.on("error", reject).on("close", () => reject(new Error(`socket ${place} was closed after ${answers()} answers`)));
    socket.on("data", (data) => {
      socket.bytes += data.length;
      if (answers() === commands.length) return;
      const text = kept + data.toString("latin1");
      welcomed ||= text.includes('"welcome"');
      let read = 0;
      for (const found of text.matchAll(ANSWER)) {
        socket[found[1]] += 1;
        read = found.index + found[0].length;
      }
      kept = text.slice(read).slice(-KEPT_CHARACTERS);
      while (welcomed && sent < commands.length && sent - answers() < UNANSWERED) socket.write(commands[sent++]);
      if (answers() === commands.length) resolve(socket);
    });
    socket.write(upgrade(node));
  });
}

async function run({ node, stream, count }) {
  const sockets = [];
  for (let place = 0; place < count; place += AT_A_TIME) {
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(AT_A_TIME, count - place) }, (_, one) => subscribed(node, stream, place + one)))));
  }
  parentPort.on("message", async (question) => {
    if (question === "end") {
      await Promise.all(sockets.map((socket) => socket.destroyed || once(socket.destroy(), "close")));
    }
    const bytes = sockets.reduce((sum, socket) => sum + socket.bytes, 0);
    parentPort.postMessage({ bytes, open: sockets.filter((socket) => !socket.destroyed).length });
  });
  parentPort.postMessage({ confirmed: sockets.map(({ confirm }) => confirm), rejected: sockets.map(({ reject }) => reject) });
}

if (!isMainThread) await run(workerData);
