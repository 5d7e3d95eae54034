// Two builds side by side, as during a deploy: one of them has one more field in rows and facts.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { folder, mesh } from "../lib/node.mjs";
import { read } from "../lib/page.mjs";
import { laterProgram } from "../lib/paths.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

test("an older and a later build count each other's users and keep each other's facts", { timeout: 180_000 }, async (t) => {
  assert.ok(existsSync(laterProgram), "node scripts/test.mjs build makes the later build");
  const nodes = await mesh(t, ["ams", "iad"], (region) => ({ dataDir: folder(t), program: region === "iad" ? laterProgram : undefined }));
  const [older, later] = nodes;
  const first = await Promise.all(nodes.map((node) => BareClient.join(t, node, { draws: true })));
  for (const node of nodes) await untilEqual("two users", () => node.counts(), { users: 2, tabs: 2, unsure: 0 });
  const counters = async () => Promise.all(nodes.map(async (node) => {
    const { tables_asked, root_faults } = await node.mesh();
    return { tables_asked, root_faults };
  }));
  const before = await counters();

  await first[0].toggle();
  await first[1].hi();
  await first[0].hi();
  for (const client of first) await until("bulb and wall are there", () => client.bulb && read(client.document.toString()).messages.length === 2);
  const joined = await Promise.all([older, later, older].map((node) => BareClient.join(t, node)));
  for (const node of nodes) await untilEqual("five users", () => node.counts(), { users: 5, tabs: 5, unsure: 0 });
  await joined[1].close();
  for (const node of nodes) await untilEqual("four users", () => node.counts(), { users: 4, tabs: 4, unsure: 0 });
  await until("equal facts", async () => (await older.mesh()).facts_root === (await later.mesh()).facts_root);
  await pause(5_000); // heartbeats compare roots every second
  assert.deepEqual(await counters(), before, "nothing is asked for whole");
  assert.deepEqual(before.map(({ root_faults }) => root_faults), [0, 0]);

  // Each keeps what the other wrote, over a restart as well, and returns it.
  const shown = (await Promise.all(nodes.map((node) => node.get("/")))).map(({ body }) => read(body).messages);
  assert.deepEqual(shown[0], shown[1]);
  const root = (await older.mesh()).facts_root;
  await Promise.all(nodes.map((node) => node.drain()));
  await Promise.all(nodes.map((node) => node.start()));
  for (const node of nodes) {
    assert.deepEqual(read((await node.get("/")).body).messages, shown[0]);
    await untilEqual("the same facts, byte for byte", async () => (await node.mesh()).facts_root, root);
  }
});
