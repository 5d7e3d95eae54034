// Every part of the stock clients' public interfaces is called once, and docs/clients.md says of each whether it works.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { browser, tab, visitor } from "../lib/browser.mjs";
import { coreCalls } from "../lib/interface-core.mjs";
import { pageCalls } from "../lib/interface-pages.mjs";
import { Node } from "../lib/node.mjs";
import { root } from "../lib/paths.mjs";
import { run, site } from "../lib/stock.mjs";

const shop = "https://shop.example";
const room = "shop.example/private/orders/7";

/** Options that the server never notices. */
const ofTheClient = [
  "subprotocol", "websocketImplementation", "websocketFormat", "websocketOptions", "encoder", "logger", "logLevel", "monitor",
  "maxMissingPings", "maxReconnectAttempts", "performFailures",
];

/** The rows of the document's tables: client → part → "yes" or "no". */
function documented() {
  const section = readFileSync(join(root, "docs/clients.md"), "utf8").split(/^## What works of each client$/m)[1].split(/^## /m)[0];
  const found = {};
  let client;
  for (const line of section.split("\n")) {
    client = line.match(/^### `(.+)`$/)?.[1] ?? client;
    const [, parts, works] = line.match(/^\| (`.+`) \| (yes|no)\b.*\|$/) ?? [];
    for (const [, part] of (parts ?? "").matchAll(/`([^`]+)`/g)) {
      assert.equal(found[client]?.[part], undefined, `${client}: ${part} stands there twice`);
      (found[client] ??= {})[part] = works;
    }
  }
  return found;
}

/** Makes the calls one after the other; a call that fails does not work. */
async function results(groups) {
  const found = {};
  for (const [group, calls] of Object.entries(groups)) {
    for (const [part, call] of Object.entries(calls)) {
      const name = group ? `${group}.${part}` : part;
      found[name] = (await call().catch((error) => error.message)) === true ? "yes" : "no";
    }
  }
  return found;
}

/** What a class has for its users; what only the other parts of the package call is left out. */
function publicNames(made, internal) {
  return Object.getOwnPropertyNames(made.prototype).filter((name) => !/^_|^constructor$/.test(name) && !internal.includes(name));
}

test("@anycable/core: what works and what does not is as the document says", { timeout: 480_000 }, async (t) => {
  const node = await Node.start(t, { args: ["--public-streams", "chat/*", "--site", shop] });
  const key = await run("key", "--site", shop);
  const token = (seconds) => {
    const payload = Buffer.from(JSON.stringify({ room, exp: Math.floor(Date.now() / 1_000) + seconds })).toString("base64url");
    return `${payload}.${createHmac("sha256", key).update(payload).digest("hex")}`;
  };
  const { classes, ...calls } = coreCalls(t, node, { room, token });
  const found = await results(calls);
  assert.deepEqual(found, documented()["@anycable/core"]);
  const called = Object.keys(found).join(" ");
  const internal = {
    Cable: ["connected", "restored", "disconnected", "closed", "notify", "keepalive", "handleClose", "handleIncoming", "setSessionId", "emit", "pendingConnect"],
    Channel: ["connected", "connecting", "restored", "disconnected", "closed", "receive", "emit", "attached", "initialConnect", "identifier", "channelId", "params", "once", "pendingSubscribe"],
  };
  const declared = readFileSync(join(root, "e2e/node_modules/@anycable/core/create-cable/index.d.ts"), "utf8").match(/interface CreateOptions[^{]*\{([^]*?)\n\}/)[1];
  const names = [...declared.matchAll(/^ {2}(\w+): /gm)].map(([, option]) => option);
  assert.ok(names.length > 20);
  assert.deepEqual(names.filter((option) => !called.includes(`options.${option}`) && !ofTheClient.includes(option)), [], "options that are not used");
  for (const [name, made] of Object.entries(classes)) {
    const left = publicNames(made, internal[name]).filter((part) => !called.includes(`${name.toLowerCase()}.${part}`) && !called.includes(`(${part})`));
    assert.deepEqual(left.filter((part) => part !== "on"), [], `${name}: not called`);
  }
});

test("clients in pages: what works and what does not is as the document says", { timeout: 480_000 }, async (t) => {
  const pages = await site(t);
  const node = await Node.start(t, { args: ["--public-streams", "chat/*", ...pages.args] });
  const person = await visitor(await browser(t));
  const open = (body, script, head) => tab(person, pages.page(body, script, head), { live: false });
  const calls = await pageCalls(node, open);
  const found = {};
  for (const [client, of] of Object.entries(calls)) found[client] = await results({ "": of });
  const { "@anycable/core": _, ...rest } = documented();
  assert.deepEqual(found, rest);
});
