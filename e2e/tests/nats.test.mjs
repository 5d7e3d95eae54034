// Nodes that are linked through NATS: the same truths as over links of their own.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { browser, tab, untilBulb, visitor } from "../lib/browser.mjs";
import { BareClient } from "../lib/client.mjs";
import { NatsServer, cluster, natsMesh, supercluster, tap, timesConnected, tuned, withServers } from "../lib/nats.mjs";
import { Node, allHearAll, apiKey, folder } from "../lib/node.mjs";
import { freePort } from "../lib/ports.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { selfSigned } from "../lib/tls.mjs";
import { read } from "../lib/tree.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

const key = { headers: { authorization: `Bearer ${apiKey}` } };

/** What a node says is wrong with it, in words. */
async function degraded(node) {
  return JSON.parse((await node.get("/readyz", key)).body).degraded;
}

test("three nodes over one server show the same, also when that is killed and started again", { timeout: 180_000 }, async (t) => {
  const server = await NatsServer.start(t);
  const nodes = await natsMesh(t, ["ams", "iad", "yyz"].map((region) => ({ region, servers: [server] })));
  const [ams, iad, yyz] = nodes;
  const page = await tab(await visitor(await browser(t)), ams.url);
  const there = await BareClient.join(t, iad, { draws: true });
  const third = await BareClient.join(t, yyz, { draws: true });
  const three = { users: 3, tabs: 3, unsure: 0 };
  for (const node of nodes) await untilEqual("three users", () => node.counts(), three);
  await there.toggle();
  await untilBulb(page, true);
  await until("all see the click", () => third.bulb && there.bulb);
  await page.locator("#lightbulb").click();
  await until("all see the browser's click", () => !third.bulb && !there.bulb);
  await until("the page for operators knows what each node says of itself", async () => {
    const { body } = await ams.get("/status?refresh=off", key);
    return nodes.every(({ name }) => body.includes(name)) && !/>unknown</.test(body);
  }, { within: 20_000 });

  const watched = nodes.map((node) => watchCounts(t, node));
  await server.kill();
  await server.launch();
  const back = Date.now();
  const drawn = there.changes.length;
  let on = false;
  await until("clicks cross within a second", async () => {
    await third.toggle(on);
    on = !on;
    return there.changes.slice(drawn).some(({ id }) => id === "lightbulb");
  }, { within: 1_000 - (Date.now() - back), every: 100 });
  await until("all show the last click", () => there.bulb === on && third.bulb === on);
  await untilBulb(page, on);
  for (const { seen } of watched) assert.deepEqual(seen.filter(({ value }) => value && value.unsure > 0), [], "no node was silent");
  const leaver = await BareClient.join(t, iad);
  for (const node of nodes) await untilEqual("four users", () => node.counts(), { users: 4, tabs: 4, unsure: 0 });
  await leaver.close();
  for (const node of nodes) await untilEqual("three again", () => node.counts(), three);

  const killed = Date.now();
  await yyz.kill();
  await yyz.start();
  for (const node of [ams, iad]) await untilEqual("a node that was killed is live again", () => node.stateOf("yyz"), "live", { within: 10_000 - (Date.now() - killed) });
  await yyz.drain();
  await untilEqual("one that left is not silent", async () => (await ams.mesh()).nodes.some(({ node, state }) => node === yyz.name && state === "silent"), false);
});

test("another tenant of the server reads nothing, and changes nothing by its own messages or by recorded ones", { timeout: 180_000 }, async (t) => {
  const server = await NatsServer.start(t);
  const foreign = await tap(t, server);
  const args = ["--mesh-name", "site"];
  const [ams, iad] = await natsMesh(t, ["ams", "iad"].map((region) => ({ region, name: `${region}-1`, servers: [server] })), { args });
  const here = await BareClient.join(t, ams, { draws: true });
  const there = await BareClient.join(t, iad, { draws: true });
  await here.toggle();
  await until("the click crosses", () => there.bulb);
  for (const node of [ams, iad]) await untilEqual("two users", () => node.counts(), { users: 2, tabs: 2, unsure: 0 });
  await foreign.flush();
  const recorded = [...foreign.messages];
  assert.ok(recorded.length > 20 && recorded.every(({ subject }) => subject.startsWith("gp.site.")));
  for (const word of ["Lightbulb", "lightbulb", "demo", "Amsterdam", here.own.toLowerCase()]) {
    assert.deepEqual(recorded.filter(({ payload }) => payload.includes(word)), [], word);
  }

  const stranger = await Node.start(t, { region: "lhr", name: "lhr-1", env: { GP_SECRET: "another secret, which no other node of these has" }, args: ["--mesh", server.url, ...args] });
  await until("both sides say why", () => [ams, stranger].every((node) => node.log.includes("not sealed with our GP_SECRET")));
  await there.toggle();
  await until("the bulb is off", () => !here.bulb);
  // All of it again: clicks, joins, heartbeats, requests; then with a change in each.
  for (const { subject, reply, payload } of recorded) {
    foreign.publish({ subject, reply, payload });
    const changed = Buffer.from(payload);
    if (changed.length > 0) changed[Math.floor(changed.length / 2)] ^= 1;
    foreign.publish({ subject, reply, payload: changed });
    foreign.publish({ subject, reply, payload: payload.subarray(0, payload.length / 2) });
  }
  await foreign.flush();
  const joined = await BareClient.join(t, ams);
  for (const node of [ams, iad]) await untilEqual("three users", () => node.counts(), { users: 3, tabs: 3, unsure: 0 });
  assert.equal(here.bulb || there.bulb, false, "the recorded click is not repeated");
  await joined.close();

  // A node that has just started knows no numbers of others; the other one is dead, and its recording is played.
  await Promise.all([iad.kill(), ams.kill()]);
  await ams.start();
  const before = foreign.messages.length;
  const played = new Set(recorded.map(({ subject }) => subject));
  const asks = ({ subject }) => /^gp\.site\.ask\.iad-1\.\w+\.ams-1\./.test(subject) && !played.has(subject);
  // Again and again, since a node that took it for news would need a moment to listen.
  await until("it asks the recorded node three times, in vain", () => {
    for (const message of recorded) foreign.publish(message);
    return foreign.messages.slice(before).filter(asks).length >= 3;
  }, { every: 400 });
  assert.deepEqual((await ams.mesh()).nodes.filter(({ node, state }) => node === "iad-1" && state === "live"), []);
});

/** The number of a message, which stands before its sealed part. */
const numberOf = ({ payload }) => Number(payload.readBigUInt64BE(10));

test("what a node says while it has no connection is not sent later", { timeout: 60_000 }, async (t) => {
  const server = await NatsServer.start(t);
  const foreign = await tap(t, server);
  let open = true;
  const proxy = await tcpProxy(t, () => open && server.port);
  const way = { url: `nats://127.0.0.1:${proxy.port}` };
  const [ams, iad] = await natsMesh(t, [{ region: "ams", name: "ams-1", servers: [way] }, { region: "iad", name: "iad-1", servers: [server] }], { args: ["--mesh-name", "site"] });
  const here = await BareClient.join(t, ams, { draws: true });
  const there = await BareClient.join(t, iad, { draws: true });
  await here.toggle();
  await until("a click crosses", () => there.bulb);
  const said = () => foreign.messages.filter(({ subject }) => subject === "gp.site.all.ams-1").map(numberOf);
  open = false;
  proxy.cutAll();
  await until("it has no connection", async () => (await degraded(ams)).some((fault) => fault.startsWith("No connection to NATS")));
  await foreign.flush();
  const last = Math.max(...said());
  // An odd number, so that the last one leaves the bulb as it was not before.
  const CLICKS = 21;
  for (let click = 0; click < CLICKS; click += 1) {
    const wanted = !here.bulb;
    await here.toggle();
    await until("the own region shows it", () => here.bulb === wanted, { every: 5 });
    await pause(100);
  }
  open = true;
  await untilEqual("the last click arrives all the same", () => there.bulb, here.bulb);
  const after = await until("the node says something again", () => {
    const numbers = said().filter((number) => number > last);
    return numbers.length > 0 && numbers;
  });
  assert.ok(Math.min(...after) - last > CLICKS, `the messages after ${last} were ${after.slice(0, 5)}`);
});

test("six nodes on three servers: where two servers don't hear each other, the third region relays", { timeout: 180_000 }, async (t) => {
  const { servers, cut, heal } = await supercluster(t, ["ams", "iad", "yyz"]);
  const places = ["ams", "iad", "yyz"].flatMap((region) => [1, 2].map((number) => ({ region, name: `${region}-${number}`, servers: [servers[region]] })));
  const nodes = await natsMesh(t, places);
  const all = await tap(t, servers.ams);
  const clients = await Promise.all(nodes.map((node) => BareClient.join(t, node, { draws: true })));
  const six = { users: 6, tabs: 6, unsure: 0 };
  for (const node of nodes) await untilEqual("six users", () => node.counts(), six);
  const watched = nodes.map((node) => watchCounts(t, node));

  cut("ams", "iad");
  const cutAt = Date.now();
  await until("a third node relays", async () => (await nodes[0].mesh()).nodes.find(({ node }) => node === "iad-1")?.via, { within: 10_000 });
  const relayed = all.messages.length;
  await clients[0].toggle();
  await until("a click crosses around the cut", () => clients.every((client) => client.bulb));
  await BareClient.join(t, nodes[2]);
  for (const node of nodes) await untilEqual("seven users", () => node.counts(), { users: 7, tabs: 7, unsure: 0 });
  await pause(10_000 - (Date.now() - cutAt)); // longer than the lease, and than servers wait for each other
  const greetings = all.messages.slice(relayed).filter(({ subject }) => /^gp\.\w+\.hi\./.test(subject));
  assert.deepEqual(greetings, [], "heartbeats say that a node is there");
  heal("ams", "iad");
  await until("all hear all directly", async () => {
    for (const node of nodes) {
      for (const { state, via } of (await node.mesh()).nodes) if (state !== "live" || via) return false;
    }
    return true;
  });
  for (const { seen } of watched) assert.deepEqual(seen.filter(({ value }) => value && value.unsure > 0), [], "no node was silent");
});

test("servers that deliver late are noticed, and what is late does not count", { timeout: 180_000 }, async (t) => {
  const { servers, cut, heal } = await supercluster(t, ["ams", "iad"], []);
  const nodes = await natsMesh(t, ["ams", "iad"].map((region) => ({ region, name: region, servers: [servers[region]] })));
  assert.deepEqual(await degraded(nodes[0]), []);
  cut("ams", "iad");
  const cutAt = Date.now();
  await untilEqual("the other region is silent", () => nodes[0].stateOf("iad"), "silent");
  await pause(9_000 - (Date.now() - cutAt)); // so that some messages are later than the lease
  heal("ams", "iad");
  const settings = /ping_interval.*ping_max.*write_deadline/;
  await until("the operator is told what to set", async () => (await degraded(nodes[0])).some((fault) => settings.test(fault)));
  assert.match(nodes[0].log, settings);
  await untilEqual("the other region is live again", () => nodes[0].stateOf("iad"), "live");
});

test("a node leaves a server that announces its end before it ends", { timeout: 60_000 }, async (t) => {
  const [ending, other] = await cluster(t);
  const [ams, iad] = await natsMesh(t, [{ region: "ams", servers: [ending] }, { region: "iad", servers: [other] }]);
  const watched = watchCounts(t, iad);
  await BareClient.join(t, ams);
  await untilEqual("one user", () => iad.counts(), { users: 1, tabs: 1, unsure: 0 });
  // Messages alone are enough to count a user.
  await until("both connections are open", () => timesConnected(ams) === 2);
  ending.process.kill("SIGUSR2");
  await until("both connections lead elsewhere", () => timesConnected(ams) >= 4);
  assert.match(ams.log, /about to end; moving/);
  assert.equal(ending.process.exitCode, null, "it has not ended yet");
  await BareClient.join(t, ams);
  await untilEqual("two users", () => iad.counts(), { users: 2, tabs: 2, unsure: 0 });
  assert.deepEqual(watched.seen.filter(({ value }) => value && value.unsure > 0), [], "no node was silent");
});

test("nodes that are there before their server serve without it, and are linked when it comes, over TLS", { timeout: 60_000 }, async (t) => {
  const { key: file, certificate } = selfSigned(t, "localhost");
  const port = await freePort();
  const env = { SSL_CERT_FILE: certificate };
  const nodes = await Promise.all(["ams", "iad"].map((region) => Node.start(t, { region, nats: `tls://localhost:${port}`, env })));
  await BareClient.join(t, nodes[0]);
  for (const node of nodes) await until("it says that it has no connection", async () => (await degraded(node)).some((fault) => fault.startsWith("No connection to NATS")));
  await NatsServer.start(t, [...tuned, `tls { cert_file: "${certificate}", key_file: "${file}" }`], { port });
  await allHearAll(nodes);
  await untilEqual("one user", () => nodes[1].counts(), { users: 1, tabs: 1, unsure: 0 });
  for (const node of nodes) await untilEqual("nothing is wrong", () => degraded(node), []);
});

test("the files of docs/operating/nats.md work", { timeout: 60_000 }, async (t) => {
  const [server, users] = [...read("docs/operating/nats.md").matchAll(/^```conf\n([^]*?)^```$/gm)].map(([, text]) => text);
  const file = join(folder(t), "nats.conf");
  writeFileSync(file, server);
  execFileSync("nats-server", ["-t", "--config", file], { env: withServers(), stdio: "pipe" });

  const user = users.match(/^ {4}\{\n[^]*?^ {4}\}\n/m)[0];
  const fence = await NatsServer.start(t, [...tuned, users.replace(user, user + user.replaceAll("ams-1", "iad-1").replaceAll(".in.ams.", ".in.iad."))]);
  const credentials = (name, password = "a long random password") => {
    const path = join(folder(t), "credentials");
    writeFileSync(path, `${name}:${password}\n`);
    return ["--mesh-creds", path, "--mesh-name", "site"];
  };
  const [ams, iad] = await natsMesh(t, ["ams", "iad"].map((region) => ({ region, name: `${region}-1`, servers: [fence], args: credentials(`${region}-1`) })));
  await BareClient.join(t, ams);
  await untilEqual("one user", () => iad.counts(), { users: 1, tabs: 1, unsure: 0 });
  for (const node of [ams, iad]) assert.deepEqual(await degraded(node), []);
  const other = await Node.start(t, { region: "lhr", name: "lhr-1", args: ["--mesh", fence.url, ...credentials("ams-1")] });
  await until("it may not publish in another name", async () => (await degraded(other)).some((fault) => /Permissions Violation/i.test(fault)));
  const wrong = await Node.start(t, { region: "lhr", name: "lhr-2", args: ["--mesh", fence.url, ...credentials("ams-1", "wrong")] });
  await until("it says why it has no connection", async () => (await degraded(wrong)).some((fault) => /No connection to NATS.*authorization violation/i.test(fault)));
});

test("a server that does not have the password of the gateways is no part of the supercluster", { timeout: 60_000 }, async (t) => {
  const fence = read("docs/operating/nats.md").match(/^gateway \{[^]*?^( +authorization: .*\n +reject_unknown_cluster: .*)$/m)[1];
  const { servers, gatewayUrl } = await supercluster(t, ["ams", "iad"], tuned, fence);
  await natsMesh(t, ["ams", "iad"].map((region) => ({ region, servers: [servers[region]] })));
  const own = `gateway { name: "lhr", listen: "127.0.0.1:${await freePort()}", gateways: [{ name: "ams", url: "${gatewayUrl("ams")}" }] }`;
  const stranger = await NatsServer.start(t, ['server_name: "lhr"', ...tuned, own]);
  await until("it is refused", () => /Gateway Error 'Authorization Violation'/.test(stranger.log));
});

test("options that can't work are refused with what to write instead", { timeout: 60_000 }, async (t) => {
  const refused = async (args, name) => {
    const node = await Node.prepare(t, { name, args });
    await node.start({ ready: false });
    await node.ended;
    return node.log;
  };
  const small = await NatsServer.start(t, ["max_payload: 64KB"]);
  assert.match(await refused(["--mesh", small.url]), /at most 65536 bytes: set max_payload: 1MB/);
  assert.match(await refused(["--mesh", small.url], "a.b"), /set --node/);
  assert.match(await refused(["--mesh", small.url, "--mesh-listen", "quic/127.0.0.1:0"]), /leave out --mesh-listen/);
});
