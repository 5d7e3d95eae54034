// SIGTERM of one of three nodes that is started again on its port, with its name, two seconds after it has left.
import { test } from "node:test";
import { drainWatched, threeAndOneLate } from "../lib/drain.mjs";
import { folder, mesh } from "../lib/node.mjs";
import { pause } from "../lib/until.mjs";

test("a restart in place is no leave and no join", { timeout: 180_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad", "yyz"], () => ({ dataDir: folder(t) }));
  const [leaving, ...others] = nodes;
  await drainWatched(t, {
    leaving, others, late: await threeAndOneLate(t, nodes),
    afterTerm: async (asked, ended) => {
      await ended;
      await pause(2_000);
      await leaving.start();
    },
  });
});
