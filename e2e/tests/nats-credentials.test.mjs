// What nodes show to NATS: tokens of an operator's account, nkeys; wrong and revoked ones are reported in words.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { NatsOperator, nkey } from "../lib/nats-accounts.mjs";
import { NatsServer, natsMesh, tuned } from "../lib/nats.mjs";
import { Node, allHearAll, apiKey, folder } from "../lib/node.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const degraded = async (node) => JSON.parse((await node.get("/readyz", { headers: { authorization: `Bearer ${apiKey}` } })).body).degraded;

function credentials(t, text) {
  const path = join(folder(t), "node.creds");
  writeFileSync(path, text, { mode: 0o600 });
  return ["--mesh-creds", path];
}

/** The log and /readyz of a node say why NATS refuses it, it serves all the same, and its secrets are in neither. */
async function saysWhy(node, why, seed) {
  await until("/readyz says it", async () => (await degraded(node)).some((fault) => why.test(fault)));
  await until("the log says it", () => why.test(node.log));
  assert.equal((await node.get("/readyz")).status, 200);
  assert.ok(![node.log, JSON.stringify(await degraded(node))].some((text) => text.includes(seed)), "the seed stays secret");
}

test("nodes show tokens of an operator's account; a token of another operator and a revoked one are refused in words", { timeout: 120_000 }, async (t) => {
  const operator = new NatsOperator();
  const server = await NatsServer.start(t, [...tuned, ...operator.config]);
  const [first, second] = [operator.user("ams-1"), operator.user("iad-1")];
  const [ams, iad] = await natsMesh(t, [
    { region: "ams", name: "ams-1", servers: [server], args: credentials(t, first.credentials) },
    { region: "iad", name: "iad-1", servers: [server], args: credentials(t, second.credentials) },
  ]);
  await BareClient.join(t, ams);
  await untilEqual("one user", () => iad.counts(), { users: 1, tabs: 1, unsure: 0 });
  for (const node of [ams, iad]) assert.deepEqual(await degraded(node), []);

  const foreign = new NatsOperator();
  const unknown = foreign.user("lhr-1");
  const stranger = await Node.start(t, { region: "lhr", name: "lhr-1", nats: server.url, args: credentials(t, unknown.credentials) });
  await saysWhy(stranger, /authorization violation/i, unknown.seed);

  operator.revoke(second);
  await server.configure([...tuned, ...operator.config]);
  await saysWhy(iad, /authorization violation/i, second.seed);
  await until("the server has said why, too", () => /revoked/i.test(iad.log));
  await untilEqual("the node without NATS is silent", () => ams.stateOf("iad"), "silent");

  // The operator gives it a new token for the same key: a node reads its file when it starts.
  delete operator.revocations[second.public];
  await server.configure([...tuned, ...operator.config]);
  await allHearAll([ams, iad]);
  await until("nothing is wrong with its connection", async () => !(await degraded(iad)).some((fault) => fault.startsWith("No connection")));
});

test("nodes show an nkey, and a wrong one is refused in words", { timeout: 60_000 }, async (t) => {
  const [known, wrong] = [nkey("user"), nkey("user")];
  const server = await NatsServer.start(t, [...tuned, `authorization { users: [ { nkey: ${known.public} } ] }`]);
  const [ams, iad] = await natsMesh(t, ["ams", "iad"].map((region) => ({ region, name: region, servers: [server], args: credentials(t, `${known.seed}\n`) })));
  await BareClient.join(t, ams);
  await untilEqual("one user", () => iad.counts(), { users: 1, tabs: 1, unsure: 0 });
  const stranger = await Node.start(t, { region: "lhr", nats: server.url, args: credentials(t, wrong.seed) });
  await saysWhy(stranger, /authorization violation/i, wrong.seed);
});

test("a file that holds no credentials is refused before the node starts", { timeout: 60_000 }, async (t) => {
  const broken = new NatsOperator().user("ams-1");
  for (const text of ["", "a word", broken.credentials.replace(broken.seed, "SUABC")]) {
    const node = await Node.prepare(t, { nats: "nats://127.0.0.1:9", args: credentials(t, text) });
    await node.start({ ready: false });
    assert.equal((await node.ended).code, 1);
    assert.match(node.log, /--mesh-creds .*node\.creds (is no file of credentials|holds neither NATS credentials nor)/);
  }
});
