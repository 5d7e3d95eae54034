// Webhooks in two regions: one node sends them, another one continues, and every message is signed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { Jar } from "../lib/http.mjs";
import { apiKey, Node, mesh } from "../lib/node.mjs";
import { root } from "../lib/paths.mjs";
import { selfSigned } from "../lib/tls.mjs";
import { until } from "../lib/until.mjs";
import { receiver, secret, telling } from "../lib/webhooks.mjs";

test("one of two nodes sends events, and the other one continues", async (t) => {
  const { told, url, of } = await receiver(t);
  const nodes = await mesh(t, ["ams", "yyz"], (region) => ({ name: `${region}-1`, ...telling(url) }));
  await until("the node of the lowest name begins", () => of("resync.started").length > 0);
  const first = await BareClient.join(t, nodes[1]);
  await until("the first join is sent", () => of("member.joined").length === 1);
  const again = await BareClient.join(t, nodes[0], { jar: first.jar });
  await BareClient.join(t, nodes[1], { jar: new Jar() });
  await until("the next join is sent", () => of("member.joined").length === 2);
  const { id, data } = of("member.joined")[0];
  assert.equal(of("room.occupied").filter((event) => event.data.reason === "arrived").length, 1);
  assert.equal(data.room, "demo");
  const members = await nodes[0].json("/api/v1/rooms/members?room=demo", { headers: { authorization: `Bearer ${apiKey}` } });
  assert.ok(members.members.some((member) => member.id === data.member && member.since === data.since), JSON.stringify(members));

  const before = told.length;
  await nodes[0].kill();
  await until("the next node begins with a resync", () => told.slice(before).some((event) => event.type === "resync.started"), { within: 15_000 });
  const started = told.slice(before).find((event) => event.type === "resync.started");
  assert.equal(started.data.rooms, 1);
  const resync = await until("each occupied room", () => told.slice(before).find((event) => event.data.resync === started.data.resync && event.type === "room.occupied"));
  assert.deepEqual([resync.data.room, resync.data.reason, resync.data.users], ["demo", "resync", 2]);
  await BareClient.join(t, nodes[1], { jar: new Jar() });
  await until("and sends further joins", () => of("member.joined").length === 3);
  assert.equal(new Set(of("member.joined").map((event) => event.id)).size, 3);
  assert.ok(id.startsWith("msg_"));
  await again.close();
});

test("a receiver that fails at first gets the events again, in the same order and with the same ids", async (t) => {
  const { told, url } = await receiver(t, { answer: (count) => [204, 500, 302, 503][count] ?? 204 });
  const node = await Node.start(t, telling(url));
  await until("the node begins", () => told.length === 1);
  const client = await BareClient.join(t, node);
  await until("the join is sent", () => told.some((event) => event.type === "member.joined" && event.status === 204), { within: 20_000 });
  await client.close();
  await until("and the leave", () => told.some((event) => event.type === "room.vacated"), { within: 10_000 });
  assert.deepEqual(told.map((event) => event.type), [
    "resync.started", "room.occupied", "room.occupied", "room.occupied", "room.occupied", "member.joined", "member.left", "room.vacated",
  ]);
  const [, ...again] = told.slice(0, 5).map((event) => event.id);
  assert.equal(new Set(again).size, 1);
  assert.equal(new Set(told.map((event) => event.id)).size, 5);
});

test("the check in docs/api.md accepts our signatures and no others", async (t) => {
  const { told, url } = await receiver(t);
  await Node.start(t, telling(url));
  await until("something is told", () => told.length > 0);
  const [shown] = readFileSync(join(root, "docs/api.md"), "utf8").match(/(?<=```python\n)[^`]*(?=```)/);
  const program = `${shown}\nimport json, sys\nfor headers, body in json.load(sys.stdin): print(is_ours(headers, body.encode()))`;
  const { headers, raw } = told[0];
  const given = [[headers, raw], [headers, `${raw} `], [{ ...headers, "webhook-timestamp": "1" }, raw]];
  const said = execFileSync("python3", ["-c", program], { input: JSON.stringify(given), env: { ...process.env, GP_WEBHOOK_SECRET: secret } });
  assert.equal(said.toString(), "True\nFalse\nFalse\n");
});

test("thresholds are sent, over TLS with a certificate that the system trusts", async (t) => {
  const { key: privateKey, certificate } = selfSigned(t, "localhost");
  const tls = { cert: readFileSync(certificate), key: readFileSync(privateKey) };
  const { told, url, of } = await receiver(t, { tls });
  const options = telling(url, "--webhook-threshold", "more than 1 for 1s until 0", "--webhook-rooms", "demo");
  const stranger = await Node.start(t, options);
  await until("an unknown certificate is not trusted", () => /could not deliver.*certificate/i.test(stranger.log), { within: 10_000 });
  assert.equal(told.length, 0);
  await stranger.kill();
  const node = await Node.start(t, { ...options, env: { ...options.env, SSL_CERT_FILE: certificate } });
  const clients = [await BareClient.join(t, node), await BareClient.join(t, node, { jar: new Jar() })];
  await until("it is crowded", () => of("room.above").length === 1);
  assert.deepEqual(of("room.above")[0].data, { room: "demo", users: 2, threshold: "more than 1 for 1s until 0" });
  await Promise.all(clients.map((client) => client.close()));
  await until("it is calm again", () => of("room.below").length === 1, { within: 10_000 });
});

test("a node that could not sign, or has no receiver, does not start", async (t) => {
  for (const [options, words] of [
    [{ args: ["--webhook-url", "https://shop.example/hook"] }, "GP_WEBHOOK_SECRET"],
    [{ args: ["--webhook-url", "https://shop.example/hook"], env: { GP_WEBHOOK_SECRET: "secret" } }, "openssl"],
    [{ args: ["--webhook-url", "ftp://shop.example/hook"], env: { GP_WEBHOOK_SECRET: secret } }, "https://"],
    [{ args: ["--webhook-threshold", "more than 50 for 30s"] }, "--webhook-url"],
    [{ args: ["--webhook-threshold", "50", "--webhook-url", "https://shop.example/hook"] }, "more than 50 for 30s"],
  ]) {
    const node = await Node.prepare(t, options);
    await node.start({ ready: false });
    const { code } = await node.ended;
    assert.notEqual(code, 0);
    assert.ok(node.log.includes(words), node.log);
  }
});
