// A node that ends TLS itself: pages, clicks, and many bytes to a browser that reads slowly.
import assert from "node:assert/strict";
import https from "node:https";
import net from "node:net";
import { test } from "node:test";
import tls from "node:tls";
import WebSocket from "ws";
import { browser, isOn, tab, untilBulb, visitor } from "../lib/browser.mjs";
import { Node, apiKey } from "../lib/node.mjs";
import { selfSigned } from "../lib/tls.mjs";
import { until } from "../lib/until.mjs";

/** One request over TLS to a node with a self-signed certificate. */
function ask(node, path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const asked = https.request({ port: node.port, path, method, headers, rejectUnauthorized: false, agent: false }, (answer) => {
      answer.resume().on("end", () => resolve(answer));
    });
    asked.on("error", reject).end(body);
  });
}

async function start(t, args = []) {
  const { key, certificate } = selfSigned(t, "localhost");
  const node = await Node.prepare(t, { args: ["--tls-cert", certificate, "--tls-key", key, ...args] });
  await node.start({ ready: false });
  await until("it is ready", async () => (await ask(node, "/readyz").catch(() => undefined))?.statusCode === 200, { within: 20_000 });
  return node;
}

test("pages are live over TLS that ends in the node", { timeout: 180_000 }, async (t) => {
  const node = await start(t);
  const page = await ask(node, "/");
  assert.match(page.headers["set-cookie"][0], /; Secure/);
  const url = `https://localhost:${node.port}`;
  const one = await browser(t);
  const tabs = await Promise.all([0, 1].map(async () => tab(await visitor(one, { ignoreHTTPSErrors: true }), url)));
  await tabs[0].locator("#lightbulb").click();
  await untilBulb(tabs[1], true);
  assert.equal(await isOn(tabs[0]), true);
  assert.deepEqual(tabs.flatMap(({ complaints }) => complaints), []);
});

test("a client that is refused learns why over TLS, too, and is closed", { timeout: 180_000 }, async (t) => {
  const node = await start(t);
  const socket = new WebSocket(`wss://localhost:${node.port}/cable`, "actioncable-v1-json", { rejectUnauthorized: false });
  t.after(() => socket.terminate());
  const told = [];
  socket.on("message", (text) => told.push(JSON.parse(text)));
  const code = await new Promise((resolve, reject) => socket.on("close", resolve).on("error", reject));
  assert.deepEqual([told, code], [[{ type: "disconnect", reason: "unauthorized", reconnect: false }], 1000]);
});

test("a connection without TLS is dropped and delays no other", { timeout: 180_000 }, async (t) => {
  const node = await start(t, ["--header-within", "2s"]);
  const plain = net.connect(node.port, "127.0.0.1");
  plain.on("error", () => {}).write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const silent = net.connect(node.port, "127.0.0.1");
  const ended = Promise.all([plain, silent].map((socket) => new Promise((resolve) => socket.on("close", resolve).resume())));
  assert.equal((await ask(node, "/")).statusCode, 200);
  await ended;
});

test("all messages arrive over TLS in order, even if the browser reads late", { timeout: 180_000 }, async (t) => {
  const node = await start(t, ["--public-streams", "bench", "--send-buffer", "16kb", "--socket-queue", "4mb"]);
  const socket = tls.connect({ port: node.port, host: "127.0.0.1", rejectUnauthorized: false });
  socket.write(`GET /cable HTTP/1.1\r\nHost: localhost:${node.port}\r\nOrigin: https://localhost:${node.port}\r\nConnection: Upgrade\r\n`
    + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    + "Sec-WebSocket-Protocol: actioncable-v1-json\r\n\r\n");
  let read = "";
  socket.setEncoding("latin1").on("data", (text) => (read += text));
  await until("it is welcomed", () => read.includes('"welcome"'));
  const identifier = JSON.stringify({ channel: "$pubsub", stream_name: "bench" });
  const command = Buffer.from(JSON.stringify({ command: "subscribe", identifier }));
  // A mask of zeros is as good as any.
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | command.length, 0, 0, 0, 0]), command]));
  await until("it is confirmed", () => read.includes("confirm_subscription"));
  socket.pause();
  const messages = 60;
  for (let number = 0; number < messages; number += 1) {
    const body = JSON.stringify({ stream: "bench", data: { number, filling: "x".repeat(30_000) } });
    const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
    assert.equal((await ask(node, "/api/v1/publish", { method: "POST", headers, body })).statusCode, 202);
  }
  socket.resume();
  const numbers = () => [...read.matchAll(/"number":(\d+),"filling":"x{30000}"/g)].map(([, number]) => Number(number));
  await until("all have arrived", () => numbers().length === messages, { within: 20_000 });
  assert.deepEqual(numbers(), Array.from({ length: messages }, (_, number) => number));
  socket.destroy();
});
