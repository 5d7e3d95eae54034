// The secret of three nodes is changed in three rounds, one node after the other, while real pages are open.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, connected, open, tab, text, untilBulb, isOn, visitor } from "../lib/browser.mjs";
import { allHearAll, mesh, secret } from "../lib/node.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const next = "the secret that takes its place, the same on every node";

/** What an operator sets in each round. */
const rounds = [
  { GP_SECRET: secret, GP_SECRET_ACCEPTED: next },
  { GP_SECRET: next, GP_SECRET_ACCEPTED: secret },
  { GP_SECRET: next },
];

const names = (page) => page.locator("cable-ready-stream-from").evaluateAll((all) => all.map((element) => element.getAttribute("identifier")));
const you = async (page) => (await text(page, "#you")).match(/#[0-9A-F]{8}/)[0];
const browserId = async (page) => (await page.context().cookies()).find(({ name }) => name === "presence").value.split(".")[0];

/** A visitor of this node, whose page notes each subscription that is rejected. */
async function newVisitor(chromium, node) {
  const person = await visitor(chromium);
  const rejected = [];
  person.on("page", (page) => page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => {
    if (String(payload).includes("reject_subscription")) rejected.push(payload);
  })));
  const page = await tab(person, node.url);
  return { node, page, rejected, first: { names: await names(page), you: await you(page), browser: await browserId(page) } };
}

/** Restarts a node with other secrets, and waits until its page is live again. */
async function restart(node, env, { page }) {
  const exit = await node.drain();
  assert.equal(exit.code, 0, node.log.slice(-2_000));
  await page.waitForSelector("body.stimulus-reflex-disconnected", { state: "attached" });
  Object.assign(node.options, { env: { GP_SECRET_ACCEPTED: "", ...env } });
  await node.start();
  await connected(page, 40_000);
}

test("no page, link or identity notices that the secret is changed", { timeout: 600_000 }, async (t) => {
  const nodes = await mesh(t, ["ams", "iad", "yyz"]);
  const chromium = await browser(t);
  const visitors = [];
  for (const node of nodes) visitors.push(await newVisitor(chromium, node));
  for (const node of nodes) await untilEqual(`${node.name} counts all`, async () => (await node.counts()).users, 3);

  for (const [number, env] of rounds.entries()) {
    for (const [index, node] of nodes.entries()) {
      const others = nodes.filter((other) => other !== node);
      const counts = others.map((other) => watchCounts(t, other));
      await restart(node, env, visitors[index]);
      await allHearAll(nodes);
      for (const { seen, stop } of counts) {
        await stop();
        assert.deepEqual(seen.filter(({ value }) => value?.users !== 3), [], `round ${number + 1}: all are counted while ${node.name} restarts`);
      }
      const wanted = !(await isOn(visitors[index].page));
      await visitors[index].page.locator("#lightbulb").click();
      for (const { page } of visitors) await untilBulb(page, wanted, 10_000);
    }
    for (const { page, rejected, first } of visitors) {
      assert.deepEqual(rejected, [], `round ${number + 1}: every subscription is confirmed`);
      assert.deepEqual([await you(page), await browserId(page)], [first.you, first.browser], `round ${number + 1}: the same visitor`);
    }
  }

  for (const { node, page, first } of visitors) {
    const renewed = await names(page);
    assert.ok(renewed.every((name) => !first.names.includes(name)), "the page has names that the new secret has signed");
    const again = await open(page.context(), node.url);
    await connected(again);
    assert.equal(await you(again), first.you, "a new page is the same visitor's");
    await until("and is no further one", async () => (await node.counts()).users === 3);
  }
  for (const node of nodes) assert.doesNotMatch(node.log, /GP_SECRET/, "no link was refused");
});
