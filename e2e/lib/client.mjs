// A client without a browser: speaks actioncable-v1-json like the stock client, with its reconnect delays, so that hundreds
// of visitors fit into a test.
import { randomUUID } from "node:crypto";
import { parseHTML } from "linkedom";
import WebSocket from "ws";
import { Jar, request } from "./http.mjs";
import { pause, until } from "./until.mjs";

/** The stock client's poll delay: 6 s × 1.15^n, and up to as much again at the first, 15 % at later ones. */
export function reconnectDelay(tries) {
  const spread = tries === 0 ? 1 : 0.15;
  return 6_000 * 1.15 ** Math.min(tries, 10) * (1 + spread * Math.random());
}

/** The signed names of a page's room and streams. */
export function namesOf(html) {
  const { document } = parseHTML(html);
  const streams = [...document.querySelectorAll("cable-ready-stream-from")].map((element) => element.getAttribute("identifier"));
  const room = document.querySelector("meta[name=presence-room]")?.getAttribute("content");
  if (streams.length === 0 || !room) throw new Error(`no signed names on the page: ${html.slice(0, 300)}`);
  return { room, streams };
}

export class BareClient {
  /**
   * Options: `jar` (share one to be one user), `via` (a port to go through instead of the node's own), `draws` (keeps
   * a page and performs what it is sent), `returns` (comes back like the stock client), `host`, `headers`.
   */
  constructor(t, node, options = {}) {
    this.node = node;
    this.options = options;
    this.jar = options.jar ?? new Jar();
    this.host = options.host ?? node.host;
    this.frames = [];
    this.fragments = new Map();
    this.undrawn = new Set();
    this.changes = [];
    this.answers = new Map();
    this.confirmed = new Set();
    this.rejected = new Set();
    this.tries = 0;
    this.welcomes = 0;
    t.after(() => this.end());
  }

  /** Loads the page, opens a socket and joins the room. */
  static async join(t, node, options) {
    const client = new BareClient(t, node, options);
    await client.load();
    await client.open();
    return client;
  }

  get port() {
    return this.options.via ?? this.node.port;
  }

  get authority() {
    return `${this.host}:${this.port}`;
  }

  /** Fetches the page as a browser does. */
  async load() {
    const answer = await request(this.port, "/", { host: this.authority, jar: this.jar, headers: this.options.headers });
    if (answer.status !== 200) throw new Error(`the page answered ${answer.status}: ${answer.body.slice(0, 300)}`);
    this.html = answer.body;
    this.names = namesOf(answer.body);
    if (this.options.draws) this.page = parseHTML(answer.body).document;
    this.undrawn.clear(); // it belonged to the earlier page
    return answer;
  }

  get reflexIdentifier() {
    return JSON.stringify({ channel: "StimulusReflex::Channel", room: this.names.room });
  }

  /** Opens a socket and waits until every subscription is confirmed; `subscribe: false` stops at the welcome. */
  async open({ subscribe = true, within = 10_000 } = {}) {
    this.connect();
    await until("the socket is welcomed", () => {
      if (this.failure) throw this.failure;
      return this.welcomed;
    }, { within, every: 5 });
    if (subscribe) await this.untilJoined({ within });
  }

  async untilJoined({ within = 10_000 } = {}) {
    await until("every subscription is confirmed", () => {
      if (this.failure) throw this.failure;
      return this.welcomed && this.confirmed.size === this.names.streams.length + 1;
    }, { within, every: 5 });
  }

  connect() {
    this.welcomed = false;
    this.failure = undefined;
    this.confirmed.clear();
    const cookie = this.jar.header();
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}/cable`, ["actioncable-v1-json", "actioncable-unsupported"], {
      perMessageDeflate: false, handshakeTimeout: 5_000,
      headers: { host: this.authority, origin: `http://${this.authority}`, ...(cookie ? { cookie } : {}), ...this.options.headers },
    });
    this.socket = socket;
    socket.on("message", (data) => socket === this.socket && this.take(JSON.parse(data.toString())));
    socket.on("error", (error) => socket === this.socket && (this.failure = error));
    socket.on("close", (code) => {
      if (socket !== this.socket) return;
      this.closed = { code, at: Date.now() };
      this.welcomed = false;
      this.failure ??= new Error(`the socket was closed with ${code}`);
      if (this.options.returns && !this.over) this.comeBack();
    });
  }

  /** Like the stock client: checks its connection at growing intervals, and opens a new socket if it has none. */
  comeBack() {
    const wait = Math.max(reconnectDelay(this.tries), this.tries === 0 ? 6_000 : 0);
    this.tries += 1;
    this.timer = setTimeout(() => {
      if (!this.over) this.connect();
    }, wait);
  }

  take(frame) {
    this.frames.push(frame);
    if (this.frames.length > 2_000) this.frames.shift();
    if (frame.type === "welcome") {
      this.welcomed = true;
      this.welcomes += 1;
      this.tries = 0;
      this.subscribeAll();
    } else if (frame.type === "confirm_subscription") {
      this.confirmed.add(frame.identifier);
      if (this.confirmed.size === this.names?.streams.length + 1) this.joinedAt = Date.now();
    } else if (frame.type === "reject_subscription") this.rejected.add(frame.identifier);
    else if (frame.message?.cableReady) frame.message.operations.forEach((operation) => this.perform(operation));
  }

  subscribeAll() {
    if (!this.names) return;
    for (const stream of this.names.streams) this.subscribe(JSON.stringify({ channel: "CableReady::Stream", identifier: stream }));
    this.subscribe(this.reflexIdentifier);
  }

  subscribe(identifier) {
    this.send({ command: "subscribe", identifier });
  }

  send(command) {
    this.socket.send(JSON.stringify(command));
  }

  perform(operation) {
    if (operation.stimulusReflex) {
      this.answers.get(operation.reflexId)?.(operation);
      return;
    }
    // Why a click failed, for the page to show: it is in the answer, too.
    if (operation.operation === "textContent") return;
    if (operation.operation !== "morph") throw new Error(`an unexpected operation: ${operation.operation}`);
    const id = operation.selector.slice(1);
    this.fragments.set(id, operation.html);
    this.changes.push({ id, html: operation.html, at: Date.now() });
    if (this.changes.length > 20_000) this.changes.shift();
    if (!this.page) return;
    this.undrawn.delete(id); // so that the last fragment is drawn last
    this.undrawn.add(id);
    this.options.onDraw?.(this, id);
  }

  /** The page as it looks now (`draws` only). It is drawn when it is read, so that hundreds of pages that are not read cost little. */
  get document() {
    for (const id of this.undrawn) {
      const element = this.page.getElementById(id);
      if (!element) throw new Error(`no element #${id} to morph`);
      const { document } = parseHTML(`<!doctype html><html><body>${this.fragments.get(id)}</body></html>`);
      element.replaceWith(this.page.importNode(document.body.firstElementChild, true));
    }
    this.undrawn.clear();
    return this.page;
  }

  /** The text of an element of the page as it looks now (`draws` only). */
  text(selector) {
    return this.document.querySelector(selector)?.textContent.replace(/\s+/g, " ").trim();
  }

  /** The first number in an element's text. */
  number(selector) {
    const found = this.text(selector)?.replace(/[,\u202f\u00a0](?=\d{3})/g, "").match(/\d+/);
    return found ? Number(found[0]) : undefined;
  }

  /** The name of the visitor on their page: `1A2B3C4D`. */
  get own() {
    return this.text("#you")?.match(/#([0-9A-F]{8})/)?.[1];
  }

  get bulb() {
    return this.document.querySelector("#lightbulb").classList.contains("on");
  }

  /** Clicks; resolves with the answer's operation. */
  reflex(target, attrs = {}, { within = 5_000 } = {}) {
    const id = randomUUID();
    const data = {
      attrs, dataset: { dataset: attrs, datasetAll: {} }, selectors: [], id, resolveLate: false, suppressLogging: false,
      xpathController: "//*[@id='lightbulb']", xpathElement: "//*[@id='lightbulb']", inner_html: "", text_content: "",
      reflexController: "stimulus-reflex", permanentAttributeName: "data-reflex-permanent", target, args: [],
      url: `http://${this.authority}/`, tabId: randomUUID(), version: "3.5.5", formData: "",
    };
    const answered = new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${target} was not answered in ${within} ms`)), within);
      this.answers.set(id, (operation) => {
        clearTimeout(late);
        this.answers.delete(id);
        resolve(operation);
      });
    });
    this.send({ command: "message", identifier: this.reflexIdentifier, data: JSON.stringify(data) });
    return answered;
  }

  /** Switches the bulb to the opposite of what the visitor saw. */
  toggle(seen = this.bulb) {
    return this.reflex("Lightbulb#toggle", { "aria-pressed": String(seen) });
  }

  hi(colour) {
    return this.reflex("Hi#say_hi", colour === undefined ? {} : { "data-colour": colour });
  }

  /** Closes as a tab that is closed does. */
  async close() {
    this.over = true;
    clearTimeout(this.timer);
    const { socket } = this;
    if (!socket || socket.readyState === WebSocket.CLOSED) return;
    const gone = new Promise((resolve) => socket.once("close", resolve));
    socket.close(1001);
    await Promise.race([gone, pause(1_000)]);
  }

  /** Ends without a close frame, as a phone that is out of reach. */
  end() {
    this.over = true;
    clearTimeout(this.timer);
    this.socket?.on("error", () => {});
    this.socket?.terminate();
    if (this.page) void this.document; // a morph of what the page has not is a fault, looked at or not
  }
}

/** Remembers every value that a reader saw, and when: `watch(t, read)`, read every `every` ms until the test ends. */
export function watch(t, read, { every = 25 } = {}) {
  const seen = [];
  let over = false;
  t.after(() => (over = true));
  const look = async () => {
    while (!over) {
      try {
        const value = await read();
        const text = JSON.stringify(value);
        if (seen.length === 0 || seen.at(-1).text !== text) seen.push({ at: Date.now(), value, text });
      } catch (error) {
        if (!over) seen.push({ at: Date.now(), error: error.message, text: error.message });
      }
      await pause(every);
    }
  };
  const looking = look();
  return {
    seen,
    values: () => seen.map(({ value, error }) => value ?? error),
    clear: () => seen.splice(0, Math.max(0, seen.length - 1)),
    stop: async () => {
      over = true;
      await looking;
    },
  };
}
