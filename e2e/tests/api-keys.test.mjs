// API keys in a file: changed one by one while the node runs.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Node, folder } from "../lib/node.mjs";
import { until } from "../lib/until.mjs";

const first = { name: "shop", key: "the first key of the shop", may: ["publish"], site: "https://shop.example" };
const second = { ...first, name: "shop, next", key: "the second key of the shop" };
const other = { ...first, name: "other", key: "the key of another site", site: "https://other.example" };

test("one site's key is changed at run time, and no publish of any site is refused", { timeout: 180_000 }, async (t) => {
  const file = join(folder(t), "keys.json");
  writeFileSync(file, JSON.stringify([first, other]));
  const node = await Node.start(t, { args: ["--site", "https://shop.example,https://other.example", "--api-keys-file", file] });
  const publish = async ({ key, site }) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const body = JSON.stringify({ stream: `${new URL(site).host}/orders`, data: 1 });
    return (await node.get("/api/v1/publish", { method: "POST", headers, body })).status;
  };
  const write = async (text, said) => {
    const before = node.log.length;
    writeFileSync(file, text);
    node.signal("SIGHUP");
    await until(said, () => node.log.slice(before).includes(said));
  };
  const statuses = async () => [await publish(first), await publish(second), await publish(other)];

  assert.deepEqual(await statuses(), [202, 401, 202]);
  await write(JSON.stringify([first, second, other]), "loaded the API keys again");
  assert.deepEqual(await statuses(), [202, 202, 202], "two keys at a time");
  await write(JSON.stringify([second, other]), "loaded the API keys again");
  assert.deepEqual(await statuses(), [401, 202, 202]);
  await write(JSON.stringify([{ ...second, may: second.key }]), "could not load the API keys again");
  assert.deepEqual(await statuses(), [401, 202, 202], "a broken file changes nothing");
  for (const { key } of [first, second, other]) assert.ok(!node.log.includes(key), "no key is logged");
});

test("a file of keys that can't be used ends the start with a sentence", { timeout: 180_000 }, async (t) => {
  const file = join(folder(t), "keys.json");
  writeFileSync(file, JSON.stringify([{ ...first, key: "short" }]));
  const node = await Node.prepare(t, { args: ["--api-keys-file", file] });
  await node.start({ ready: false });
  assert.equal((await node.ended).code, 1);
  assert.match(node.log, /key "shop" has 5 bytes; it needs at least 16/);
});
