// SIGTERM of one of three nodes whose goodbye one of the others does not hear.
import { test } from "node:test";
import { drainWatched, threeAndOneLate } from "../lib/drain.mjs";
import { Node, allHearAll, folder } from "../lib/node.mjs";
import { tcpProxy, udpRelay } from "../lib/relay.mjs";
import { pause } from "../lib/until.mjs";

test("a deploy whose goodbye one peer misses is no leave and no join", { timeout: 180_000 }, async (t) => {
  const leaving = await Node.prepare(t, { region: "ams", mesh: true, host: "ams.localhost", dataDir: folder(t) });
  const hears = await Node.prepare(t, { region: "iad", mesh: true, host: "iad.localhost", dataDir: folder(t) });
  const misses = await Node.prepare(t, { region: "yyz", mesh: true, host: "yyz.localhost", dataDir: folder(t) });
  const nodes = [leaving, hears, misses];
  // Each of the two reaches the leaving node over a relay of its own, and can't reach it otherwise.
  const relays = await Promise.all([hears, misses].map(() => udpRelay(t, leaving.meshPort)));
  leaving.options.peers = [hears, misses];
  leaving.options.args = ["--mesh-advertise", "quic/127.0.0.1:9"];
  hears.options.peers = [misses, relays[0].address];
  misses.options.peers = [hears, relays[1].address];
  await Promise.all(nodes.map((node) => node.start()));
  await allHearAll(nodes);

  let ready = [leaving.port];
  const proxy = await tcpProxy(t, () => ready[Math.floor(Math.random() * ready.length)]);
  const others = [hears, misses];
  await drainWatched(t, {
    leaving, others, via: proxy.port, late: await threeAndOneLate(t, others),
    afterTerm: async (asked) => {
      ready = others.map((node) => node.port);
      await pause(1_000 - (Date.now() - asked));
      relays[1].cut();
    },
  });
});
