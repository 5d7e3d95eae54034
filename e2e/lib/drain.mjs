// A deploy as its visitors see it: one of three nodes is asked to leave while 120 clients, a browser and two watchers are
// connected. All tests of draining use it.
import assert from "node:assert/strict";
import { browser, connected, number, tab, visitor } from "./browser.mjs";
import { BareClient } from "./client.mjs";
import { Jar } from "./http.mjs";
import { Node, folder } from "./node.mjs";
import { longest, watchCounts, watcher } from "./rooms.mjs";
import { pause, until, untilEqual } from "./until.mjs";

// More, and on a busy machine this process is too slow to play them all.
const CLIENTS = 120;
const WITH_TWO_TABS = 30;
const NEVER_BACK = 5;
const WATCHED_MS = 45_000;

/** Joins the clients (some pairs are one user), in groups, so that the machine is not the bottleneck. */
async function joinAll(t, node, options) {
  const clients = [];
  const users = CLIENTS - WITH_TWO_TABS;
  for (let place = 0; place < CLIENTS; place += 1) {
    const jar = place < users ? new Jar() : clients[place - users].jar;
    const stays = place >= users || place < WITH_TWO_TABS; // pairs come back whole
    const leaver = !stays && place >= users - NEVER_BACK;
    clients.push(new BareClient(t, node, { jar, via: options.via, returns: !leaver, draws: place < WITH_TWO_TABS }));
  }
  for (let from = 0; from < CLIENTS; from += 20) {
    await Promise.all(clients.slice(from, from + 20).map(async (client) => {
      await client.load();
      await client.open();
    }));
  }
  return { clients, users };
}

/** Clicks with the first client whose socket is still open; resolves with the client, or undefined if no click was accepted. */
async function clickDuringDrain(clients) {
  for (const client of clients) {
    if (!client.welcomed) continue;
    const answer = await client.hi().catch(() => undefined);
    if (answer?.name === "stimulus-reflex:morph-nothing") return client;
  }
  return undefined;
}

/** Clients that should be back and are not, for the message of a failed test. */
function away(clients, asked) {
  return clients.filter((client) => client.options.returns && client.welcomes !== 2)
    .map(({ welcomes, closed, tries, failure }) => `${welcomes} welcomes, closed after ${closed && closed.at - asked} ms, ${tries} tries, ${failure?.message}`);
}

/**
 * `setup`: `{ leaving, others, via, host, afterTerm(at), late }`. `via` is the port of a proxy, `afterTerm` is called
 * with the moment of the SIGTERM and does what the variant is about; `late` makes a node that starts 3 s after it.
 */
export async function drainWatched(t, { leaving, others, via, afterTerm, late }) {
  const { clients, users } = await joinAll(t, leaving, { via });
  const page = await tab(await visitor(await browser(t)), `http://${leaving.host}:${via ?? leaving.port}`);
  const watching = await Promise.all(others.map((node) => watcher(t, node)));
  const all = users + 1 + watching.length;
  const full = { users: all, tabs: CLIENTS + 1 + watching.length, unsure: 0 };
  for (const node of others) await untilEqual(`${node.name} counts all`, () => node.counts(), full, { within: 10_000 });
  for (const one of watching) await until("and shows all", () => one.number("#headcount") === all);
  watching.forEach((one) => one.shown.splice(0));
  const counts = others.map((node) => watchCounts(t, node));

  const asked = Date.now();
  const ended = leaving.drain().then((exit) => ({ ...exit, at: Date.now() }));
  const clicker = await clickDuringDrain(clients.slice(0, WITH_TWO_TABS));
  assert.ok(clicker, "a click during the drain is taken");
  for (const one of watching) await until("and seen by others", () => one.text("#messages-body").includes(clicker.own));
  const variant = afterTerm(asked, ended);
  await pause(3_000 - (Date.now() - asked));
  const lateNode = await late();
  await untilEqual("the late node counts all", async () => (await lateNode.counts()).users, all, { within: 2_000 });
  const lateCounts = watchCounts(t, lateNode);
  const { code } = await ended;
  assert.equal(code, 0, leaving.log.slice(-2_000));
  await variant;

  await pause(29_000 - (Date.now() - asked));
  const leavers = clients.filter((client) => !client.options.returns).length;
  const rest = { users: all - leavers, tabs: full.tabs - leavers, unsure: 0 };
  await untilEqual("all returning clients are back", () => away(clients, asked), [], { within: 5_000 });
  await connected(page);
  for (const node of [...others, lateNode]) await untilEqual(`${node.name} counts the rest`, () => node.counts(), rest, { within: 5_000 });
  await pause(WATCHED_MS - (Date.now() - asked));

  for (const [place, { seen }] of [...counts, lateCounts].entries()) {
    const name = [...others, lateNode][place].name;
    const values = seen.filter(({ value }) => value);
    const wrong = values.filter(({ value, at }) => value.users !== all && !(value.users >= rest.users && value.users < all && at - asked >= 29_900));
    assert.deepEqual(wrong, [], `${name}: no leave, no dip, no user counted twice`);
    const left = values.find(({ value }) => value.users === rest.users).at - asked;
    assert.ok(left <= 32_500, `${name}: visitors who never return were counted for ${left} ms`);
    // Right again within two seconds of each return.
    const strange = longest(seen, (value) => value.tabs !== full.tabs && value.tabs !== rest.tabs);
    const tabs = values.map(({ value, at }) => `${at - asked} ms: ${value.tabs}`).join(", ");
    assert.ok(strange <= 2_000, `${name}: tabs were wrong for ${strange} ms, ${tabs}`);
    assert.equal(values.filter(({ value }) => value.unsure > 0).length, 0, `${name}: no user was unsure`);
  }
  for (const one of watching) {
    const dips = one.shown.filter(({ users: shown, at }) => shown !== all && at - asked < 29_900);
    assert.deepEqual(dips, [], `the page on ${one.node.name}`);
    assert.equal(one.number("#headcount"), all - leavers);
  }
  for (const client of clients.slice(0, WITH_TWO_TABS)) await untilEqual("two tabs, shown to their user", () => client.number("#tabcount"), 2);
  await untilEqual("one tab in the browser", () => number(page, "#tabcount"), 1);
  return { code };
}

/** Three nodes that know each other, and how to make a fourth that knows them. */
export async function threeAndOneLate(t, nodes) {
  return async () => {
    const node = await Node.prepare(t, {
      region: "scl", mesh: true, host: "scl.localhost", dataDir: folder(t), peers: nodes,
    });
    return node.start();
  };
}
