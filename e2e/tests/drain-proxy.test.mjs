// SIGTERM of one of three nodes behind a proxy that sends new connections to ready nodes.
import { test } from "node:test";
import { drainWatched, threeAndOneLate } from "../lib/drain.mjs";
import { folder, mesh } from "../lib/node.mjs";
import { tcpProxy } from "../lib/relay.mjs";

test("a deploy behind a proxy is no leave and no join", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad", "yyz"], () => ({ dataDir: folder(t) }));
  const [leaving, ...others] = nodes;
  let ready = [leaving.port];
  const proxy = await tcpProxy(t, () => ready[Math.floor(Math.random() * ready.length)]);
  await drainWatched(t, {
    leaving, others, via: proxy.port, late: await threeAndOneLate(t, others),
    afterTerm: async () => {
      ready = others.map((node) => node.port);
    },
  });
});
