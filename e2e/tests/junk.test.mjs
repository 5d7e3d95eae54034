// Junk on every port: a clear answer or a closed connection, no crash, and no growth of memory.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import dgram from "node:dgram";
import net from "node:net";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { Node, allHearAll, mesh } from "../lib/node.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

const junkFrames = [
  "", "{", "null", "[]", "{}", "\u0000", "{\"command\":7}", "{\"command\":\"subscribe\"}", "{\"command\":\"subscribe\",\"identifier\":\"{\"}",
  "{\"command\":\"message\",\"identifier\":\"{\\\"channel\\\":\\\"StimulusReflex::Channel\\\"}\",\"data\":\"{\"}",
  "{\"command\":\"subscribe\",\"identifier\":\"{\\\"channel\\\":\\\"CableReady::Stream\\\",\\\"identifier\\\":\\\"abc--def\\\"}\"}",
  `{"command":"subscribe","identifier":"${"[".repeat(4_000)}"}`, "[".repeat(10_000),
];

/** Opens sockets and sends junk until `end`; never more than eight at once. */
async function junkSockets(t, node, end) {
  const one = async () => {
    while (Date.now() < end) {
      const client = new BareClient(t, node);
      await client.open({ subscribe: false }).catch(() => {});
      for (let frame = 0; frame < 30 && client.socket.readyState === 1; frame += 1) {
        client.socket.send(frame % 3 === 0 ? randomBytes(Math.floor(Math.random() * 8_000)) : junkFrames[Math.floor(Math.random() * junkFrames.length)]);
        await pause(2);
      }
      client.end();
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
}

/** Raw bytes on the HTTP port. */
async function junkBytes(node, end) {
  while (Date.now() < end) {
    await new Promise((resolve) => {
      const socket = net.connect(node.port, "127.0.0.1", () => socket.end(Math.random() < 0.5 ? randomBytes(2_000) : "GET / HTTP/9.9\r\nHost: \u00ff\r\n\r\n"));
      socket.on("error", resolve);
      socket.on("close", resolve);
      socket.resume();
    });
    await pause(5);
  }
}

/** Datagrams on the mesh port, some of them shaped like QUIC's first. */
async function junkDatagrams(node, end) {
  const socket = dgram.createSocket("udp4");
  while (Date.now() < end) {
    for (let packet = 0; packet < 20; packet += 1) {
      const bytes = randomBytes(1_200);
      if (packet % 2 === 0) bytes.set([0xc3, 0, 0, 0, 1, 8], 0);
      socket.send(bytes, node.meshPort, "127.0.0.1");
    }
    await pause(5);
  }
  socket.close();
}

async function junkQuestions(node, end) {
  const paths = [
    "/api/v1/rooms", `/api/v1/rooms?${"room=a&".repeat(101)}`, "/api/v1/rooms?room=", `/api/v1/rooms?room=${"x".repeat(1_025)}`, "/api/v1/rooms?room=%ff%fe",
    "/api/v1/rooms/a/b", "/api/v1/nothing", "/%00", "/../../etc/passwd", `/${"a".repeat(20_000)}`, "/api/v1/rooms/_own",
  ];
  while (Date.now() < end) {
    for (const path of paths) {
      const answer = await node.get(path).catch(() => ({ status: 400 }));
      assert.ok(answer.status >= 200 && answer.status < 500, `${path.slice(0, 60)}: ${answer.status}`);
    }
    const posted = await node.get("/api/v1/rooms/demo", { method: "POST", body: "junk" });
    assert.equal(posted.status, 405);
    await pause(20);
  }
}

test("junk on every port stops nothing, and memory does not grow", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"]);
  const [node, other] = nodes;
  const visitor = await BareClient.join(t, other, { draws: true });
  const begun = Date.now();
  const end = begun + 62_000;
  const junk = Promise.all([junkSockets(t, node, end), junkBytes(node, end), junkDatagrams(node, end), junkQuestions(node, end)]);
  const memory = [];
  for (const seconds of [10, 30, 50]) {
    await pause(seconds * 1_000 - (Date.now() - begun));
    memory.push(node.memory());
  }
  await junk;
  // A busier moment than any before it needs more memory once. What is kept of junk grows all the time.
  const growth = Math.min(memory[1] / memory[0], memory[2] / memory[1]);
  assert.ok(growth <= 1.05, `${memory.join(", ")} KiB after 10, 30 and 50 s`);
  assert.equal(node.exit, undefined);
  await allHearAll(nodes);
  const local = await BareClient.join(t, node, { draws: true });
  await local.toggle();
  await until("a click still crosses", () => visitor.bulb);
  await untilEqual("all junk is forgotten", () => node.counts(), { users: 2, tabs: 2, unsure: 0 }, { within: 25_000 });
  assert.doesNotMatch(node.log, /panicked/);
});

test("the API answers mistakes with a problem in words", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t);
  for (const path of ["/api/v1/rooms", `/api/v1/rooms?${"room=a&".repeat(101)}`, "/api/v1/rooms?room="]) {
    const answer = await node.get(path);
    assert.equal(answer.status, 400, path);
    assert.match(answer.headers["content-type"], /^application\/problem\+json/);
    assert.match(JSON.parse(answer.body).detail ?? JSON.parse(answer.body).title, /\w+ \w+ \w+/);
  }
  const empty = await node.room("an empty room");
  assert.deepEqual([empty.users, empty.tabs, empty.unsure], [0, 0, 0]);
  const many = await node.json("/api/v1/rooms?room=b/c&room=demo&room=a%20%F0%9F%91%8B");
  assert.deepEqual(many.rooms.map(({ room }) => room), ["b/c", "demo", "a 👋"]);
  const { nodes } = await node.json("/api/v1/mesh");
  assert.equal(nodes, undefined, "nodes are listed only with the key");
});

test("a node restarted amid junk on the mesh ports is linked within 40 s", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad"]);
  const end = { at: Infinity };
  const until40 = { valueOf: () => end.at };
  const junk = Promise.all(nodes.map((node) => junkDatagrams(node, until40)));
  t.after(() => (end.at = 0));
  await nodes[1].kill();
  await nodes[1].start({ within: 40_000 });
  await allHearAll(nodes, { within: 40_000 });
  end.at = 0;
  await junk;
});

test("a node with another secret gets no link, and both sides say why", { timeout: 180_000 }, async (t) => {
  const first = await Node.start(t, { region: "ams", mesh: true });
  const stranger = await Node.prepare(t, { region: "iad", mesh: true, peers: [first], env: { GP_SECRET: "another secret than that of all others in this mesh" } });
  first.options.peers = [stranger];
  await stranger.start();
  await until("it says why", () => /secret|certificate/i.test(stranger.logSinceStart) && /secret|certificate/i.test(first.log), { within: 15_000 });
  assert.equal((await first.mesh()).nodes.length, 1);
  assert.equal((await stranger.mesh()).nodes.length, 1);
});
