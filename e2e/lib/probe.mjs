// Messages that every node publishes and every other one delivers: the exact time when all hear each other again.
import { cableSocket, listenTo } from "./sockets.mjs";
import { until } from "./until.mjs";

const STREAM = "probe";
const EVERY_MS = 40;
/** Limit of open requests to a node. */
const UNANSWERED_MAX = 3;

/** Arguments that each node needs. */
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
        const socket = cableSocket(node);
        this.sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.sockets.delete(socket);
          if (!this.over) setTimeout(open, 20);
        });
        listenTo(socket, STREAM, (message) => message.from && this.take(node, message)).then(resolve);
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
        speakers.forEach((speaker) => publish(speaker));
        throw new Error(`not yet: ${missing.join(", ")}`);
      }
      return true;
    }, { within, every: EVERY_MS });
    return Math.max(...pairs.map((pair) => this.heard.get(pair))) - since;
  }
}

/** Publishes one message; the listeners show whether it was accepted. */
function publish(speaker) {
  if (speaker.unanswered >= UNANSWERED_MAX) return;
  speaker.unanswered += 1;
  const { node } = speaker;
  const message = { stream: STREAM, data: { from: node.name, at: Date.now() }, history: false };
  node.post("/api/v1/publish", message, { timeout: 1_000 }).catch(() => {}).finally(() => (speaker.unanswered -= 1));
}
