// Calls of each part of the public interfaces of the clients that live in pages. Each answers whether that part works.
import { publish, signed } from "./stock.mjs";
import { until } from "./until.mjs";

const stream = "chat/1";

/** What all pages have: a list of what has happened, and a wait for it. */
const tools = `
  window.seen = [];
  const note = (what) => (value) => window.seen.push([what, value]);
  const saw = async (what, ms = 8_000) => {
    const end = Date.now() + ms;
    while (!window.seen.some(([name]) => name === what)) {
      if (Date.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return true;
  };
  const callbacks = Object.fromEntries(["initialized", "connected", "disconnected", "rejected", "received"].map((name) => [name, note(name)]));`;

/** `open(body, script, head)` opens a page of a site that may use the node. */
export async function pageCalls(node, open) {
  const url = `ws://127.0.0.1:${node.port}/cable`;
  const meta = (name, content) => `<meta name="${name}" content="${content}">`;
  const name = await signed(stream);
  /** Runs a script in a page that answers by \`window.answer\`; \`then\` does something to the node before. */
  const inPage = (imports, script, { head = meta("action-cable-url", url), body = "", before } = {}) => async () => {
    const page = await open(body, `${imports};${tools}
      window.answer = (async () => { ${script} })();
      window.answer.catch(() => {});`, head);
    if (before) {
      await until("the page waits for it", () => page.evaluate(() => window.seen?.some(([what]) => what === "connected")), { within: 10_000 });
      await before();
    }
    const answer = await page.evaluate(() => window.answer);
    await page.close();
    return answer === true;
  };
  const publishes = () => publish(node, stream, "<turbo-stream action=\"update\" target=\"list\"><template>one</template></turbo-stream>");

  const web = (script, options) => inPage(`import { createCable, createConsumer, fetchTokenFromHTML } from "@anycable/web"`, script, options);
  const listen = `const channel = cable.streamFrom("${stream}"); channel.on("connect", note("connected")); channel.on("message", note("received"));
    channel.on("info", note("info")); return await saw("received") || await saw("info", 100);`;
  const anycable = {
    "createCable()": web(`const cable = createCable(); ${listen}`, { before: publishes }),
    "createCable(url)": web(`const cable = createCable("${url}"); ${listen}`, { head: "", before: publishes }),
    "createConsumer()": web(`const made = createConsumer(); made.subscriptions.create({ channel: "$pubsub", stream_name: "${stream}" }, callbacks);
      return saw("received");`, { before: publishes }),
    "fetchTokenFromHTML()": web(`
      let asked = 0;
      const refresh = fetchTokenFromHTML({ url: location.href });
      const transport = { setURL() {}, setToken: (token) => (asked = token) };
      await refresh(transport);
      return asked === "a token";`, { head: meta("action-cable-url", url) + meta("cable-token", "a token") }),
    "meta cable-token": web(`const cable = createCable({ monitor: false, logLevel: "none" });
      return cable.connect().then(() => false, (error) => error.reason === "unauthorized");`, { head: meta("action-cable-url", url) + meta("cable-token", "junk") }),
    "meta cable-history-timestamp": web(`const cable = createCable({ protocol: "actioncable-v1-ext-json" });
      const channel = cable.streamFrom("${stream}"); channel.on("info", ({ type }) => note(type)()); return saw("history_not_found");`,
    { head: meta("action-cable-url", url) + meta("cable-history-timestamp", "1") }),
  };

  const rails = (script, options) => inPage(`import { createConsumer } from "@rails/actioncable/src"`, script, options);
  const create = `const consumer = createConsumer("${url}");
    const make = (params, more = callbacks) => consumer.subscriptions.create(params, more);
    const pubsub = { channel: "$pubsub", stream_name: "${stream}" };`;
  const actioncable = {
    "createConsumer(url)": rails(`${create} make(pubsub); return saw("connected");`),
    "createConsumer()": rails(`const consumer = createConsumer(); consumer.subscriptions.create({ channel: "$pubsub", stream_name: "${stream}" }, callbacks); return saw("connected");`),
    "subscriptions.create($pubsub)": rails(`${create} make(pubsub); return saw("received");`, { before: publishes }),
    "subscriptions.create(Turbo::StreamsChannel)": rails(`${create} make({ channel: "Turbo::StreamsChannel", signed_stream_name: "${name}" }); return saw("received");`, { before: publishes }),
    "subscriptions.create(another channel)": rails(`${create} make("ChatChannel"); return saw("connected", 1_500);`),
    initialized: rails(`${create} make(pubsub); return saw("initialized");`),
    connected: rails(`${create} make(pubsub); return saw("connected");`),
    received: rails(`${create} make(pubsub); return saw("received");`, { before: publishes }),
    rejected: rails(`${create} make("ChatChannel"); return saw("rejected");`),
    disconnected: rails(`${create} make(pubsub); await saw("connected"); consumer.connection.webSocket.close(); return saw("disconnected");`),
    "subscription.perform": rails(`${create} const made = make(pubsub); await saw("connected"); made.perform("echo", { a: 1 }); return saw("received", 1_000);`),
    "subscription.send": rails(`${create} const made = make(pubsub); await saw("connected"); made.send({ a: 1 }); return saw("received", 1_000);`),
    "subscription.unsubscribe": rails(`${create} const made = make(pubsub); await saw("connected"); made.unsubscribe();
      return !consumer.subscriptions.subscriptions.includes(made);`),
    "consumer.connect": rails(`${create} return consumer.connect();`),
    "consumer.disconnect": rails(`${create} make(pubsub); await saw("connected"); consumer.disconnect(); return saw("disconnected") && !consumer.connection.monitor.isRunning();`),
    "consumer.ensureActiveConnection": rails(`${create} make(pubsub); await saw("connected"); consumer.ensureActiveConnection(); return consumer.connection.isOpen();`),
    "consumer.send": rails(`${create} make(pubsub); await saw("connected");
      const other = createConsumer("${url}"); other.subscriptions.create(pubsub, { connected: note("other") }); await saw("other");
      other.send({ command: "whisper", identifier: JSON.stringify(pubsub), data: { typing: true } }); return saw("received");`),
    // A token that is read, and a wrong one: the client is told so, and stops.
    "consumer.addSubProtocol": rails(`${create} consumer.addSubProtocol("anycable-token.junk"); make(pubsub);
      await saw("disconnected"); return !consumer.connection.monitor.isRunning() && !consumer.connection.isActive();`),
  };

  const element = `<p id="list"></p><turbo-cable-stream-source channel="Turbo::StreamsChannel" signed-stream-name="${name}" data-room-id="7"></turbo-cable-stream-source>`;
  const turbo = (script, options) => inPage(`import { Turbo, cable } from "@hotwired/turbo-rails"`,
    `const source = document.querySelector("turbo-cable-stream-source");
     const listens = async () => { while (!source.hasAttribute("connected")) await new Promise((resolve) => setTimeout(resolve, 20)); note("connected")(); };
     const shown = async () => { while (document.querySelector("#list").textContent !== "one") await new Promise((resolve) => setTimeout(resolve, 20)); return true; };
     ${script}`, { body: element, ...options });
  const hotwire = {
    "<turbo-cable-stream-source>": turbo(`await listens(); return shown();`, { before: publishes }),
    "connected (attribute)": turbo(`await listens(); return true;`),
    "cable.subscribeTo": turbo(`await cable.subscribeTo({ channel: "$pubsub", stream_name: "${stream}" }, callbacks); return saw("received");`, { before: publishes }),
    "cable.setConsumer": turbo(`
      const { createConsumer } = await import("@rails/actioncable/src");
      cable.setConsumer(createConsumer("${url}?other")); await cable.subscribeTo({ channel: "$pubsub", stream_name: "${stream}" }, callbacks); return saw("connected");`),
    "<turbo-stream-source>": turbo(`const made = document.createElement("turbo-stream-source"); made.setAttribute("src", "${url}"); document.body.append(made);
      return Promise.race([new Promise((resolve) => made.streamSource.addEventListener("open", () => resolve(true))), saw("never", 1_500)]);`),
  };
  return { "@anycable/web": anycable, "@rails/actioncable": actioncable, "@hotwired/turbo-rails": hotwire };
}
