// Unmodified stock clients, in this process and on pages of another site.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createCable } from "@anycable/core";
import WebSocket from "ws";
import { serve } from "./http.mjs";
import { secret } from "./node.mjs";
import { program } from "./paths.mjs";
import { until } from "./until.mjs";

const modules = join(dirname(fileURLToPath(import.meta.url)), "../node_modules");

/** Runs the program with these words; resolves with what it printed. */
export async function run(...words) {
  const { stdout } = await promisify(execFile)(program, words, { env: { PATH: process.env.PATH, GP_SECRET: secret } });
  return stdout.trim();
}

/** A stream's name as a page may listen to it. */
export const signed = (stream) => run("sign-stream", stream);

/** Publishes over the API; fails if that is refused. */
export async function publish(node, stream, data) {
  const answer = await node.post("/api/v1/publish", { stream, data });
  if (answer.status >= 300) throw new Error(`publishing: ${answer.status} ${answer.body}`);
}

/**
 * `@anycable/core` over a node, ended with the test. Options: `via` (a port to go through), `origin` (null: none is
 * sent), `token`, and those of createCable.
 */
export function cable(t, node, { via = node.port, origin = `http://127.0.0.1:${via}`, token, ...options } = {}) {
  const sockets = [];
  class Socket extends WebSocket {
    constructor(url, protocols, options) {
      // As in browsers, the promises of one message settle before the next one.
      super(url, protocols, { allowSynchronousEvents: false, ...(origin === null ? {} : { origin }), ...options });
      sockets.push(this);
      this.opened = url;
      this.on("open", () => (this.wasOpen = true));
    }
  }
  const made = createCable(`ws://127.0.0.1:${via}/cable`, {
    protocol: "actioncable-v1-ext-json", websocketImplementation: Socket, logLevel: "error",
    reconnectStrategy: () => 200, ...(token ? { auth: { token } } : {}), ...options,
  });
  t.after(() => made.disconnect());
  made.sockets = sockets;
  return made;
}

/** All events of a channel from now on. */
export function heard(channel) {
  const all = { messages: [], presence: [], infos: [], connects: [], places: [] };
  channel.on("message", (message, place) => {
    all.messages.push(message);
    all.places.push(place);
  });
  channel.on("presence", (event) => all.presence.push(event));
  channel.on("info", ({ type }) => all.infos.push(type));
  channel.on("connect", (how) => all.connects.push(how));
  return all;
}

/** What a new client of a node is told of the time since then: whether that is all, and the messages before that was said. */
export async function historySince(t, node, since, stream = "chat/1") {
  const made = cable(t, node, { historyTimestamp: since });
  const channel = made.streamFrom(stream);
  const all = heard(channel);
  await channel.ensureSubscribed();
  await until("it is answered", () => all.infos.some((type) => type.startsWith("history_")), { within: 8_000 });
  const [told, messages] = [all.infos.at(-1), all.messages.map(({ n }) => n)];
  made.disconnect();
  return { told, messages };
}

/** A time from which on all nodes know everything; resolves this many seconds later: a client that changes nodes is sent 2 s more. */
export async function knownSince(t, nodes, later = 0) {
  const since = Math.floor(Date.now() / 1_000) + 1;
  await until("that time has come", () => Date.now() >= since * 1_000);
  for (const node of nodes) {
    await until("it knows everything since", async () => (await historySince(t, node, since, "chat/quiet")).told === "history_received", { within: 10_000 });
  }
  await until("there is enough to tell", () => Date.now() >= (since + later) * 1_000);
  return since;
}

const names = {
  "@anycable/core": "@anycable/core/index.js",
  "@anycable/web": "@anycable/web/index.js",
  nanoevents: "nanoevents/index.js",
  "@hotwired/turbo": "@hotwired/turbo/dist/turbo.es2017-esm.js",
  "@hotwired/turbo-rails": "@hotwired/turbo-rails/app/javascript/turbo/index.js",
  "@rails/actioncable/src": "@rails/actioncable/src/index.js",
};

/** A site whose pages load the clients' own files by an import map: `page(body, script, head)` is the address of one. */
export async function site(t) {
  const pages = [];
  const server = http.createServer(async (request, answer) => {
    const path = normalize(new URL(request.url, "http://site").pathname);
    const page = pages[Number(path.match(/^\/page\/(\d+)$/)?.[1])];
    if (page) return void answer.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" }).end(page);
    const file = join(modules, path.replace(/^\/modules\//, ""));
    // The sources import each other without an ending, as bundlers allow.
    const text = await readFile(file, "utf8").catch(() => readFile(`${file}.js`, "utf8")).catch(() => undefined);
    if (text === undefined) return void answer.writeHead(404).end();
    answer.writeHead(200, { "content-type": "text/javascript" }).end(text);
  });
  const origin = `http://localhost:${await serve(t, server)}`;
  const imports = Object.fromEntries(Object.entries(names).map(([name, file]) => [name, `/modules/${file}`]));
  const page = (body, script, head = "") => {
    pages.push(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A site</title>${head}
<script type="importmap">${JSON.stringify({ imports })}</script></head>
<body>${body}<script type="module">${script}</script></body></html>`);
    return `${origin}/page/${pages.length - 1}`;
  };
  return { origin, page, args: ["--allowed-origin", origin] };
}
