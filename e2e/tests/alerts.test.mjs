// Each shipped alert fires for its fault, which is caused for real, and clears after the mend.
//
// A Prometheus of Debian's evaluates deploy/prometheus/rules.yml, in which a minute is a second. Two alerts are for bugs of the
// program; a bug is planted for each. deploy/prometheus/rules.test.yml has made-up numbers for all alerts.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { AlertProofs, alertsOf, changedDurations, milliseconds, rulesFile } from "../lib/alerts.mjs";
import { BareClient } from "../lib/client.mjs";
import { clockOf, fasterTime } from "../lib/clock.mjs";
import { smallDisk } from "../lib/disk.mjs";
import { serve } from "../lib/http.mjs";
import { NatsServer } from "../lib/nats.mjs";
import { Node, allHearAll, folder, secret } from "../lib/node.mjs";
import { pairedNodes } from "../lib/pairs.mjs";
import { laterProgram, program, target } from "../lib/paths.mjs";
import { measured, prometheus } from "../lib/prometheus.mjs";
import { cableSocket, listenTo } from "../lib/sockets.mjs";
import { stopThread, traceable } from "../lib/threads.mjs";
import { selfSigned } from "../lib/tls.mjs";
import { pause, until } from "../lib/until.mjs";
import { telling } from "../lib/webhooks.mjs";

/** Does this again and again until the function that it returns is called. */
function repeat(t, every, action) {
  let over = false;
  const end = () => (over = true);
  t.after(end);
  const run = async () => {
    while (!over) {
      await Promise.resolve(action()).catch(() => {});
      await pause(every);
    }
  };
  const running = run();
  return () => {
    end();
    return running;
  };
}

/** For how many seconds a fault can be seen that the node itself ends. */
const ends = {
  // Silent nodes are judged after 4.5 s, and their visitors dropped after 60 s.
  PresenceUsersUnsure: 55,
};

/** Restarts a node with further arguments. */
async function restart(node, { args, env } = {}) {
  await node.kill();
  await node.start({ args, env });
}


/** Nodes without others, each with faults of its own, side by side. */
async function loneNodes(t, proofs) {
  let status = 204;
  const hook = await serve(t, http.createServer((request, answer) => request.resume().on("end", () => answer.writeHead(status).end())));
  const [disk, faults] = [await smallDisk(t), folder(t)];
  const nats = await NatsServer.start(t);
  const [ending, renewed] = [selfSigned(t, "localhost"), selfSigned(t, "localhost", { days: 90 })];
  const few = (command, line) => ["sh", ["-c", 'ulimit -n 4096; exec "$0" "$@"', command, ...line]];
  const messages = ["--messages-per-second", "100000", "--message-burst", "100000", "--bytes-per-second", "1024mb"];
  const lone = async (options) => measured(await Node.prepare(t, options));
  const nodes = {
    disk: await lone({ dataDir: disk.path, command: disk.command, args: messages }),
    hook: await lone({ ...telling(`http://localhost:${hook}/hook`), command: fasterTime(10) }),
    proxied: await lone({ command: few, args: ["--sockets-per-address", "8"] }),
    full: await lone({ args: ["--connections", "40"] }),
    slow: await lone({ args: ["--public-streams", "bench", "--send-buffer", "4kb", "--socket-queue", "64kb", "--write-within", "1s"] }),
    crashing: await lone({}),
    app: await lone({ program: join(target, "release/examples/faulty_app"), env: { FAULTS: faults } }),
    tls: await lone({ mesh: true, args: [...["--tls-cert", "--mesh-ca", "--mesh-cert"].flatMap((option) => [option, ending.certificate]), "--tls-key", ending.key, "--mesh-key", ending.key] }),
    nats: await lone({ nats: nats.url }),
    driver: await lone({ command: traceable, args: messages }),
  };
  await Promise.all(Object.values(nodes).map((node) => node.start({ ready: node !== nodes.tls })));
  const server = await prometheus(t, Object.values(nodes));
  const prove = (alerts, fault) => proofs.prove(server, alerts, fault);
  const visitor = (node) => BareClient.join(t, node, { draws: true });

  const stories = {
    async disk({ disk: node }) {
      const client = await visitor(node);
      const end = repeat(t, 50, () => client.hi());
      await prove({ PresenceDiskBehind: node }, { cause: () => disk.fill(), mend: () => disk.free() });
      await end();
    },
    async hook({ hook: node }) {
      await prove({ PresenceWebhookLag: node }, {
        async cause() {
          status = 503;
          await visitor(node);
        },
        mend: () => (status = 204),
      });
    },
    async proxied({ proxied: node }) {
      const guesses = repeat(t, 20, () => node.get("/metrics", { headers: { authorization: "Bearer wrong" }, timeout: 100 }));
      await prove({ PresenceWrongKeys: node }, { mend: guesses });
      const sockets = new Set();
      const visits = repeat(t, 100, () => {
        const socket = cableSocket(node, { "x-forwarded-for": "192.0.2.7" });
        sockets.add(socket.on("error", () => sockets.delete(socket)));
      });
      await prove({ PresenceRefusing: node, PresenceProxyUntrusted: node, PresenceFileLimitLow: node }, {
        async mend() {
          node.options.command = undefined;
          await visits();
          for (const socket of sockets) socket.terminate();
          await restart(node, { args: ["--trusted-proxy", "127.0.0.1/32"] });
        },
      });
    },
    async full({ full: node }) {
      const sockets = [];
      await prove({ PresenceNodeFull: node }, {
        cause: () => sockets.push(...Array.from({ length: 38 }, () => net.connect(node.port, "127.0.0.1").on("error", () => {}))),
        mend: () => sockets.forEach((socket) => socket.destroy()),
      });
      const used = node.memory();
      await prove({ PresenceMemoryNearLimit: node }, {
        cause: () => restart(node, { args: ["--memory", `${used}kb`] }),
        mend: () => restart(node, { args: ["--memory", "64gb"] }),
      });
    },
    async slow({ slow: node }) {
      const publishing = repeat(t, 50, () => node.post("/api/v1/publish", { stream: "bench", data: "x".repeat(20_000) }));
      const opening = repeat(t, 250, async () => {
        const socket = cableSocket(node).on("error", () => {});
        t.after(() => socket.terminate());
        await listenTo(socket, "bench", () => {});
        socket.pause();
      });
      await prove({ PresenceSlowSockets: node }, { mend: opening });
      await publishing();
    },
    async crashing({ crashing: node }) {
      let crashes;
      await prove({ PresenceNodeRestarts: node }, { cause: () => (crashes = repeat(t, 1_000, () => restart(node))), mend: () => crashes() });
    },
    async app({ app: node }) {
      const visits = repeat(t, 100, () => node.get("/", { timeout: 500 }));
      for (const [name, fault] of [["PresenceAppPanics", "panics"], ["PresenceAppStuck", "hangs"]]) {
        const file = join(faults, fault);
        await prove({ [name]: node }, { cause: () => writeFileSync(file, ""), mend: () => rmSync(file) });
      }
      await visits();
    },
    async tls({ tls: node }) {
      await prove({ PresenceCertificateEnds: node, PresenceMeshCertificateEnds: node }, {
        mend() {
          for (const file of ["certificate", "key"]) copyFileSync(renewed[file], ending[file]);
          node.signal("SIGHUP");
        },
      });
    },
    async nats({ nats: node }) {
      await prove({ PresenceNatsFault: node }, { cause: () => nats.kill(), mend: () => nats.launch() });
    },
    async driver({ driver: node }) {
      const clients = await Promise.all(Array.from({ length: 4 }, () => visitor(node)));
      let goOn;
      await prove({ PresenceDriverStalled: node, PresenceNotReady: node, PresenceDriverQueue: node }, {
        async cause() {
          goOn = await stopThread(t, node, "node");
          for (const client of clients) for (let count = 0; count < 1_000; count += 1) client.hi().catch(() => {});
        },
        mend: () => goOn(),
      });
    },
  };
  await Promise.all(Object.entries(stories).map(([name, story]) => t.test(`a node alone: ${name}`, () => story(nodes))));
}

/** Three nodes, of which one after the other has a fault. */
async function faultyNodes(t, proofs) {
  const clock = join(folder(t), "clock");
  // Bugs are planted in the first one.
  let amss = program;
  const commands = { ams: (_, line) => [amss, line], yyz: clockOf(clock) };
  const mesh = await pairedNodes(t, ["ams", "iad", "yyz"], { network: 4, options: (region) => ({ command: commands[region] }) });
  const [ams, iad, yyz] = await Promise.all(mesh.nodes.map(measured));
  await Promise.all(mesh.nodes.map((node) => node.start()));
  await allHearAll(mesh.nodes);
  const server = await prometheus(t, mesh.nodes);
  const visitors = await Promise.all(mesh.nodes.map((node) => BareClient.join(t, node, { draws: true, returns: true })));
  const fault = (name, alerts, how) => t.test(`of three nodes, ${name}`, () => proofs.prove(server, alerts, how));

  await fault("one is cut off", { PresenceMeshSplit: null, PresenceRegionNotHeard: ams, PresenceUsersUnsure: ams, PresenceFactsDiffer: null }, {
    async cause() {
      mesh.paths("iad").forEach((path) => path.cut());
      await visitors[0].toggle();
    },
    mend: mesh.heal,
  });
  await fault("one has a wrong clock", { PresenceClockWrong: yyz }, { cause: () => writeFileSync(clock, "-120"), mend: () => writeFileSync(clock, "+0") });
  await fault("one is frozen", { PresenceNodeDown: iad, PresenceRegionNotHeard: ams }, { cause: () => iad.freeze(), mend: () => iad.thaw() });
  await fault("one is killed", { PresenceNodeDown: iad, PresenceRegionNotHeard: ams }, { cause: () => iad.kill(), mend: () => iad.start() });
  await fault("one can't be dialled", { PresenceNotCountedByPeer: iad }, {
    cause: () => ["ams", "yyz"].forEach((other) => mesh.path(other, "iad").cut()),
    mend: mesh.heal,
  });
  await fault("one has another secret", { PresenceMeshSplit: null }, {
    cause: () => restart(iad, { env: { GP_SECRET: `not ${secret}` } }),
    mend: () => restart(iad),
  });
  const mended = () => {
    amss = program;
    return restart(ams);
  };
  await fault("one does not take off rows of others", { PresenceRootFault: ams }, {
    async cause() {
      amss = laterProgram;
      await restart(ams, { env: { PRESENCE_PLANTED: "RemovalsIgnored" } });
      await allHearAll(mesh.nodes);
      const leaving = await BareClient.join(t, iad, { draws: true });
      await leaving.close();
    },
    mend: mended,
  });
  let ending;
  await fault("a part of one ends", { PresencePartEnded: ams }, {
    cause() {
      amss = laterProgram;
      // It serves only for a moment, in which Prometheus may not ask.
      ending = repeat(t, 100, async () => {
        await ams.kill();
        await ams.start({ ready: false, env: { PRESENCE_PLANTED: "PartEnds" } });
        await ams.ended;
      });
    },
    async mend() {
      await ending();
      await mended();
    },
  });
}

/** Three nodes that all work, with slow or broken links, and two versions of the program. */
async function slowLinks(t, proofs) {
  const later = join(folder(t), "global-presence");
  const text = readFileSync(program, "latin1");
  const [version] = execFileSync(program, ["--version"], { encoding: "utf8" }).match(/\d+\.\d+\.\d+/);
  writeFileSync(later, text.replaceAll(version, version.replace(/\d$/, (digit) => (Number(digit) + 1) % 10)), "latin1");
  chmodSync(later, 0o755);
  let iads = later;
  const mesh = await pairedNodes(t, ["ams", "iad", "yyz"], {
    network: 5,
    options: (region) => ({ args: ["--public-streams", "bench"], ...(region === "iad" ? { command: (_, line) => [iads, line] } : {}) }),
  });
  const [ams, iad] = await Promise.all(mesh.nodes.map(measured));
  await Promise.all(mesh.nodes.map((node) => node.start()));
  await allHearAll(mesh.nodes);
  const server = await prometheus(t, mesh.nodes);
  const fault = (name, alerts, how) => t.test(`of three links, ${name}`, () => proofs.prove(server, alerts, how));

  await fault("one is broken one way", { PresencePeerRelayed: ams }, { cause: () => mesh.cutOneWay("iad", "ams"), mend: mesh.heal });
  const visitor = await BareClient.join(t, ams, { draws: true });
  // More often than receipts come back.
  const clicks = repeat(t, 1_000, () => visitor.toggle());
  const slow = (how) => mesh.paths("yyz").forEach((path) => path.slow(how));
  await fault("two are slow", { PresenceSlowPropagation: ams }, { cause: () => slow({ delay: 1_400 }), mend: mesh.heal });
  await clicks();
  const publishing = repeat(t, 60, () => ams.post("/api/v1/publish", { stream: "bench", data: "x".repeat(30_000) }));
  // A third of what is published. Narrower ones would end now and then, and while there is no link nothing is dropped.
  await fault("two are narrow", { PresenceMeshDropping: ams }, { cause: () => slow({ bytesPerSecond: 150_000 }), mend: mesh.heal });
  await publishing();
  await fault("one leads to another version", { PresenceMixedVersions: null }, {
    mend() {
      iads = program;
      return restart(iad);
    },
    within: 80_000,
  });
}

test("an alert of a fault that the node itself ends does not wait for longer than that", () => {
  // A scrape and an evaluation may each come up to 15 s late, as prometheus.yml has it.
  for (const { name, lasts } of alertsOf(readFileSync(rulesFile, "utf8"))) {
    assert.ok(!(name in ends) || milliseconds(lasts) / 1_000 + 2 * 15 <= ends[name], `${name} waits for ${lasts}`);
  }
});

test("each alert fires for its real fault and clears after the mend", { timeout: 300_000, concurrency: true }, async (t) => {
  const proofs = new AlertProofs(t);
  for (const line of changedDurations()) t.diagnostic(line);
  await Promise.all([loneNodes, faultyNodes, slowLinks].map((part) => part(t, proofs)));
  const names = alertsOf(readFileSync(rulesFile, "utf8")).map(({ name }) => name);
  assert.deepEqual(names.filter((name) => !proofs.proved.has(name)), [], "not proved");
});
