// A node that SIGSTOP stops for forty seconds, as the others see it.
import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";
import { browser, connected, tab, visitor } from "../lib/browser.mjs";
import { BareClient } from "../lib/client.mjs";
import { mesh } from "../lib/node.mjs";
import { longest, since, watchCounts, watcher } from "../lib/rooms.mjs";
import { pause, until, untilEqual } from "../lib/until.mjs";

test("a frozen node is silent, and complete again when it thaws", { timeout: 180_000 }, async (t) => {
  const [ams, iad, yyz] = await mesh(t, ["ams", "iad", "yyz"]);
  const patient = await Promise.all(Array.from({ length: 3 }, () => BareClient.join(t, yyz, { draws: true })));
  const page = await tab(await visitor(await browser(t)), yyz.url);
  const watching = await Promise.all([ams, iad].map((node) => watcher(t, node)));
  const others = [ams, iad];
  for (const node of others) await untilEqual("six users", () => node.counts(), { users: 6, tabs: 6, unsure: 0 });

  const frozen = Date.now();
  yyz.freeze();
  for (const node of others) await untilEqual("they are unsure", () => node.counts(), { users: 2, tabs: 2, unsure: 4 }, { within: 5_000 });
  for (const node of others) assert.equal(await node.stateOf("yyz"), "silent");
  assert.ok(Date.now() - frozen < 5_000);
  await until("the pages say so", () => watching.every((one) => one.number("#headcount") === 2));
  await pause(40_000 - (Date.now() - frozen));

  const thawed = Date.now();
  yyz.thaw();
  for (const node of others) {
    await untilEqual(`${node.name} reports that it is live and no user is unsure`, async () => [await node.stateOf("yyz"), (await node.counts()).unsure], ["live", 0], { within: 5_000 - (Date.now() - thawed) });
  }
  await connected(page, 30_000);
  const joined = await page.evaluate(() => Date.now());
  for (const client of patient) assert.equal(client.socket.readyState, WebSocket.OPEN, "sockets of clients that waited have survived");
  const six = { users: 6, tabs: 6, unsure: 0 };
  for (const node of [ams, iad, yyz]) await untilEqual("six again", () => node.counts(), six, { within: 2_000 });
  const counts = others.map((node) => watchCounts(t, node));
  await pause(25_000); // longer than any connection may still linger
  for (const { seen } of counts) assert.equal(longest(seen, (value) => JSON.stringify(value) !== JSON.stringify(six)), 0, JSON.stringify(seen));
  for (const one of watching) assert.deepEqual(since(one.shown, joined + 2_000).filter(({ users }) => users !== 6), []);
});
