// Messages that every node publishes and every other one is to deliver: how soon after a moment all hear each other, exactly.
import WebSocket from "ws";
import { apiKey } from "./node.mjs";
import { until } from "./until.mjs";

const STREAM = "probe";
const EVERY_MS = 40;
/** A node that does not answer is asked this often at a time. */
const UNANSWERED_MAX = 3;

/** What a node must be started with. */
export const probed = ["--public-streams", STREAM];

/** One listener on each node. */
export class Probe {
  static async start(t, nodes) {
    const probe = new Probe();
    Object.assign(probe, { nodes, heard: new Map(), sockets: new Set(), over: false });
    t.after(() => {
      probe.over = true;
      probe.sockets.forEach((socket) => socket.terminate());
    });
    await Promise.all(nodes.map((node) => probe.listen(node)));
    return probe;
  }

  /** Opens a socket to a node and again whenever it is closed; resolves when the node delivers for the first time. */
  listen(node) {
    return new Promise((resolve) => {
      const open = () => {
        const socket = new WebSocket(`ws://127.0.0.1:${node.port}/cable`, ["actioncable-v1-json"], {
          perMessageDeflate: false, headers: { host: `${node.host}:${node.port}`, origin: `http://${node.host}:${node.port}` },
        });
        this.sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.sockets.delete(socket);
          if (!this.over) setTimeout(open, 20);
        });
        socket.on("message", (data) => {
          const { type, message } = JSON.parse(data);
          const identifier = JSON.stringify({ channel: "$pubsub", stream_name: STREAM });
          if (type === "welcome") socket.send(JSON.stringify({ command: "subscribe", identifier }));
          else if (type === "confirm_subscription") resolve();
          else if (message?.from) this.take(node, message);
        });
      };
      open();
    });
  }

  take(reader, { from, at }) {
    const key = `${reader.name} of ${from}`;
    if (at >= this.since && !this.heard.has(key)) this.heard.set(key, Date.now());
  }

  /** How many ms after `since` the first message that was published later had come from each node to each other. */
  async heardAgain(since, { within = 20_000 } = {}) {
    Object.assign(this, { since, heard: new Map() });
    const pairs = this.nodes.flatMap((reader) => this.nodes.filter((other) => other !== reader).map((other) => `${reader.name} of ${other.name}`));
    const speakers = this.nodes.map((node) => ({ node, unanswered: 0 }));
    await until("every node hears every other", () => {
      const missing = pairs.filter((pair) => !this.heard.has(pair));
      if (missing.length > 0) {
        speakers.forEach((speaker) => say(speaker));
        throw new Error(`not yet: ${missing.join(", ")}`);
      }
      return true;
    }, { within, every: EVERY_MS });
    return Math.max(...pairs.map((pair) => this.heard.get(pair))) - since;
  }
}

/** Publishes one message; whether it was taken is seen by who hears it. */
function say(speaker) {
  if (speaker.unanswered >= UNANSWERED_MAX) return;
  speaker.unanswered += 1;
  const { node } = speaker;
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const body = JSON.stringify({ stream: STREAM, data: { from: node.name, at: Date.now() }, history: false });
  node.get("/api/v1/publish", { method: "POST", headers, body, timeout: 1_000 }).catch(() => {}).finally(() => (speaker.unanswered -= 1));
}
