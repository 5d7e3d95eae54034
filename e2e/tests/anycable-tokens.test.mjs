// `@anycable/core`, unmodified: what a client does whose token has expired, is wrong, or is missing where one is needed.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import WebSocket from "ws";
import { Node } from "../lib/node.mjs";
import { cable, heard, publish, run } from "../lib/stock.mjs";
import { always, until } from "../lib/until.mjs";

const shop = "https://shop.example";
const room = "shop.example/private/orders/7";

/** A token of the shop, valid from now for this many seconds. */
async function signer() {
  const key = await run("key", "--site", shop);
  return (seconds, claims = {}) => {
    const exp = Math.floor(Date.now() / 1_000) + seconds;
    const payload = Buffer.from(JSON.stringify({ room, exp, ...claims })).toString("base64url");
    return `${payload}.${createHmac("sha256", key).update(payload).digest("hex")}`;
  };
}

const strategies = ["param", "sub-protocol", "header"];

/** The options of a client by one of the ways in which the stock client sends its token. */
const by = (websocketAuthStrategy) => ({ origin: null, websocketAuthStrategy });

test("tokenRefresher is asked once, and the client is connected with the new token", { timeout: 180_000 }, async (t) => {
  const [node, token] = [await Node.start(t, { args: ["--site", shop] }), await signer()];
  for (const protocol of ["actioncable-v1-ext-json", "actioncable-v1-json"]) {
    for (const strategy of strategies) {
      let asked = 0;
      const made = cable(t, node, {
        ...by(strategy), protocol, token: token(-10),
        tokenRefresher: async (transport) => {
          asked += 1;
          transport.setToken(token(60));
        },
      });
      const closes = [];
      made.on("close", (event) => closes.push(event?.reason));
      const orders = made.streamFrom(room);
      const all = heard(orders);
      await until("it is subscribed", () => orders.state === "connected");
      const paid = `${protocol}, ${strategy}`;
      await publish(node, room, { paid });
      // History may bring those of the same second before it.
      await until("it is heard", () => all.messages.at(-1)?.paid === paid);
      assert.deepEqual([asked, closes, made.sockets.length, made.state], [1, ["token_expired"], 2, "connected"], paid);
      made.disconnect();
    }
  }
});

test("a client whose new token has expired, too, stops", { timeout: 180_000 }, async (t) => {
  const [node, token] = [await Node.start(t, { args: ["--site", shop] }), await signer()];
  let asked = 0;
  const made = cable(t, node, {
    ...by("param"), token: token(-10), logLevel: "none",
    tokenRefresher: async (transport) => {
      asked += 1;
      transport.setToken(token(-5));
    },
  });
  made.connect().catch(() => {});
  await until("it has tried the new one", () => made.sockets.length === 2 && made.state === "closed");
  await always("it stays away", () => made.sockets.length === 2 && made.state === "closed" && asked === 1, 1_500);
});

test("an unauthorized client stops, and learns why", { timeout: 180_000 }, async (t) => {
  const [node, token] = [await Node.start(t, { args: ["--site", shop, "--site", "https://other.example"] }), await signer()];
  const right = token(60);
  const forged = `${right.slice(0, -1)}${right.endsWith("0") ? "1" : "0"}`;
  const of = (origin, options) => ({ origin, logLevel: "none", tokenRefresher: () => assert.fail("a new token would not help"), ...options });
  const refused = [
    of(null, {}), of(shop, {}), of(null, { token: "junk" }),
    ...strategies.map((websocketAuthStrategy) => of(null, { token: forged, websocketAuthStrategy })),
    of("https://other.example", { token: right }),
  ];
  const cables = refused.map((options) => cable(t, node, options));
  for (const made of cables) {
    const error = await made.connect().then(() => assert.fail("it is connected"), (reason) => reason);
    assert.equal(error.reason, "unauthorized");
  }
  await always("each stays away", () => cables.every(({ sockets, state }) => sockets.length === 1 && state === "closed"), 1_500);

  // A page that no option allows is refused before it becomes a socket, and nothing tells it why.
  const foreign = cable(t, node, { origin: "https://evil.example", token: right, monitor: false });
  const error = await foreign.connect().then(() => assert.fail("it is connected"), (reason) => reason);
  assert.equal(error.reason, "transport_closed");
});

test("a client that can send headers goes on with its session by X-ANYCABLE-RESTORE-SID", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--public-streams", "bench"] });
  const made = cable(t, node, { monitor: false });
  await made.streamFrom("bench").ensureSubscribed();
  const { sessionId } = made;
  made.sockets[0].terminate();
  const identifier = JSON.stringify({ channel: "$pubsub", stream_name: "bench" });
  const url = `ws://127.0.0.1:${node.port}/cable?sid=another`;
  const again = new WebSocket(url, "actioncable-v1-ext-json", { origin: node.url.replace("localhost", "127.0.0.1"), headers: { "X-ANYCABLE-RESTORE-SID": sessionId } });
  t.after(() => again.terminate());
  const welcome = await new Promise((resolve, reject) => again.on("message", (text) => resolve(JSON.parse(text))).on("error", reject));
  assert.deepEqual([welcome.type, welcome.restored, welcome.restored_ids], ["welcome", true, [identifier]]);
  assert.notEqual(welcome.sid, sessionId);
});
