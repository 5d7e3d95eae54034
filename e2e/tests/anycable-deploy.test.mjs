// `@anycable/core`, unmodified, through a deploy: guests without a cookie stay the same users on the node that they come to.
import assert from "node:assert/strict";
import { test } from "node:test";
import { allHearAll, mesh } from "../lib/node.mjs";
import { tcpProxy } from "../lib/relay.mjs";
import { cable, heard } from "../lib/stock.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const room = "_public/chat/1";

test("guests whose node drains are the same users on the next one, and again when it is back: no join, no leave", { timeout: 180_000 }, async (t) => {
  const [ams, iad] = await mesh(t, ["ams", "iad"], { args: ["--public-streams", "chat/*"] });
  let to = ams;
  const proxy = await tcpProxy(t, () => to.port);
  const open = async (node, options) => {
    const made = cable(t, node, options);
    const chat = made.streamFrom("chat/1");
    const all = heard(chat);
    await chat.ensureSubscribed();
    return { made, chat, all };
  };
  const watching = await open(iad);
  const names = ["ann", "bob", "cy"];
  const guests = [];
  for (const name of names) {
    const guest = await open(ams, { via: proxy.port });
    await guest.chat.presence.join(name, { name });
    guests.push(guest);
  }
  const events = () => watching.all.presence.filter(({ type }) => type !== "info");
  await until("all are there", () => events().length === names.length);
  const ids = events().map(({ id }) => id).sort();
  assert.ok(ids.every((id) => /^guest:[0-9a-f]{16}:/.test(id)), String(ids));
  const everybody = { users: names.length, tabs: names.length, unsure: 0 };
  await untilEqual("they are counted", () => iad.counts(room), everybody);

  let most = 0;
  let least = names.length;
  const look = async () => {
    const { users, tabs } = await iad.counts(room);
    [most, least] = [Math.max(most, users), Math.min(least, users)];
    return { users, tabs };
  };
  /** They come to a node which has never heard of their sessions, and later the rows of the one before are gone. */
  const moved = async (what, reconnects) => {
    await until(`${what}: all are back`, async () => {
      await look();
      return guests.every(({ made, all }) => made.state === "connected" && all.connects.length === reconnects);
    }, { within: 15_000 });
    assert.ok(guests.every(({ all }) => all.connects.at(-1).restored === false), "no node knows another one's sessions");
    await untilEqual(`${what}: nothing is left of the node before`, look, { users: names.length, tabs: names.length }, { within: 45_000 });
  };
  to = iad;
  await ams.drain();
  await moved("one has drained", 2);
  await ams.start();
  await allHearAll([ams, iad]);
  to = ams;
  proxy.cutAll();
  await moved("it is back", 3);
  assert.deepEqual([most, least], [names.length, names.length], "they were never more or fewer");
  assert.equal(events().length, names.length, `told: ${JSON.stringify(events().slice(names.length))}`);
  assert.deepEqual(Object.keys(await watching.chat.presence.info()).sort(), ids);
});
