// What a node keeps to itself: its files, its settings, its key, the names behind its troubles, private rooms, and rooms of
// pages where only a stream is public.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { environment } from "../lib/environment.mjs";
import { dial, textFrame, upgrade } from "../lib/flood.mjs";
import { Node, apiKey, folder, mesh, secret } from "../lib/node.mjs";
import { program } from "../lib/paths.mjs";
import { embeddedPage } from "../lib/sockets.mjs";
import { until } from "../lib/until.mjs";

const SHOP = "https://shop.example";
const keyed = { headers: { authorization: `Bearer ${apiKey}` } };
/** The waits for five wrong keys: 0.1 s, 0.2 s, and so on. */
const WRONG_KEYS_MS = 1_500;

const run = (words, env) => promisify(execFile)(program, words, { env: environment(env), timeout: 10_000 });

test("other users of the machine read none of a node's files", { timeout: 180_000 }, async (t) => {
  const dataDir = join(folder(t), "data");
  await Node.start(t, { dataDir });
  const modes = [dataDir, join(dataDir, "facts.redb")].map((path) => (statSync(path).mode & 0o777).toString(8));
  assert.deepEqual(modes, ["700", "600"]);
});

test("--help shows no address of a webhook", async () => {
  const { stdout } = await run(["--help"], { GP_WEBHOOK_URL: "https://receiver.example/a-secret-path" });
  assert.match(stdout, /GP_WEBHOOK_URL/);
  assert.doesNotMatch(stdout, /receiver\.example/);
});

test("a short API key ends the start", async () => {
  const failure = await run(["--listen", "127.0.0.1:0"], { GP_API_KEY: "x" }).then(() => assert.fail("it ran"), (error) => error);
  assert.equal(failure.code, 1, failure.message);
  assert.match(failure.stderr, /GP_API_KEY.*at least 16/);
});

test("each further wrong key of an address is answered later, and they are logged once", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  const begun = performance.now();
  for (let count = 0; count < 5; count += 1) {
    assert.equal((await node.get("/api/v1/mesh", { headers: { authorization: "Bearer a key that is wrong" } })).status, 401);
  }
  const waited = performance.now() - begun;
  assert.ok(waited >= WRONG_KEYS_MS, `${waited} ms`);
  assert.equal((await node.get("/api/v1/mesh", keyed)).status, 200);
  const logged = () => node.log.split("wrong API key").length - 1;
  await until("wrong keys are logged", () => logged() > 0);
  assert.equal(logged(), 1, node.log);
});

test("/readyz names nodes for the holder of the key only", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await mesh(t, ["ams", "iad"]);
  await iad.kill();
  const [open, full] = await until("it is reported", async () => {
    const reports = await Promise.all([{}, keyed].map(async (options) => (await ams.json("/readyz", options)).degraded));
    return reports.every((degraded) => degraded.length > 0) && reports.map(String);
  }, { within: 20_000 });
  assert.ok(full.includes(iad.name), full);
  assert.ok(!open.includes(iad.name), open);
});

test("private rooms are counted for the holder of the key only, also under the node's own host", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--site", SHOP] });
  const token = (await run(["sign", "private/7", "--site", SHOP], { GP_SECRET: secret })).stdout.trim();
  for (const [room, permit] of [["private/7", token], ["lamp", undefined]]) {
    const page = await embeddedPage(t, node, SHOP, room, permit);
    await until("it is counted", () => page.last("counts")?.users === 1);
  }
  const below = async (options) => (await node.room("shop.example/", options)).users;
  assert.equal(await below(keyed), 2);
  assert.equal(await below(), 1);
  for (const room of ["shop.example/private/7", "shop.example/private/", `${node.host}:${node.port}/private/7`]) {
    const path = `/api/v1/rooms?room=${encodeURIComponent(room)}`;
    assert.deepEqual([(await node.get(path)).status, (await node.get(path, keyed)).status], [403, 200], room);
  }
});

test("the name of a public stream is no name of a page's room", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--public-streams", "*", "--site", SHOP] });
  for (const room of ["demo", "shop.example/lamp"]) {
    const socket = dial(t, node);
    let text = "";
    socket.on("data", (data) => (text += data.toString("latin1"))).write(upgrade(node, "actioncable-v1-ext-json"));
    await until("it is welcomed", () => text.includes("welcome"));
    const identifier = JSON.stringify({ channel: "$pubsub", stream_name: room });
    for (const [command, more] of [["subscribe", {}], ["join", { presence: { id: "u1" } }]]) {
      socket.write(textFrame(JSON.stringify({ command, identifier, ...more })));
    }
    const present = async (name) => (await node.counts(name)).users;
    await until("it is present", async () => (await present(room)) + (await present(`_public/${room}`)) === 1);
    assert.equal(await present(room), 0, room);
  }
});
