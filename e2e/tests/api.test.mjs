// The HTTP API by its documentation, and over two regions.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { BareClient } from "../lib/client.mjs";
import { Jar } from "../lib/http.mjs";
import { Node, apiKey, mesh, secret } from "../lib/node.mjs";
import { program, root } from "../lib/paths.mjs";
import { embeddedPage } from "../lib/sockets.mjs";
import { until, untilEqual } from "../lib/until.mjs";

const authorization = `Bearer ${apiKey}`;

test("every command of docs/api.md works as it is copied", async (t) => {
  const node = await Node.start(t);
  const blocks = [...readFileSync(join(root, "docs/api.md"), "utf8").matchAll(/```sh\n([^`]*)```/g)].map(([, text]) => text);
  const commands = blocks.join("").split("\n").filter((line) => line.startsWith("curl "));
  assert.ok(commands.length >= 8, commands.join("\n"));
  for (const command of commands) {
    const script = `curl() { command curl --silent --show-error --fail-with-body --max-time 2 "$@"; }\n${command.replace("<id>", "0".repeat(64))}`;
    const env = { PATH: process.env.PATH, URL: node.url, GP_API_KEY: apiKey };
    const { stdout } = await promisify(execFile)("bash", ["-c", script], { env }).catch((error) => {
      // A stream does not end.
      if (error.code === 28 && command.includes("/events")) return error;
      throw new Error(`${command}: ${error.stderr} ${error.stdout}`);
    });
    if (stdout === "" && command.includes("-X DELETE")) continue;
    assert.match(stdout, /"(users|rooms|members|stream|member|facts|removed|sites?|filter|peak)":/, command);
  }
});

test("an answer in one region covers all regions", async (t) => {
  const [ams, yyz] = await mesh(t, ["ams", "yyz"]);
  const first = await BareClient.join(t, yyz);
  await BareClient.join(t, ams, { jar: first.jar });
  await BareClient.join(t, ams, { jar: new Jar() });
  const members = () => ams.json("/api/v1/rooms/members?room=demo", { headers: { authorization } });
  await until("all are listed", async () => {
    const { members: list } = await members();
    return list.length === 2 && list.some(({ tabs, regions }) => tabs === 2 && regions.join() === "ams,yyz");
  });
  for (const node of [ams, yyz]) {
    await untilEqual(`the busiest rooms, from ${node.name}`, async () => (await node.json("/api/v1/rooms/busiest", { headers: { authorization } })).rooms, [{ room: "demo", users: 2 }]);
    await untilEqual(`the counts, from ${node.name}`, async () => {
      const { users, looking, tabs, unproven } = await node.room();
      return { users, looking, tabs, unproven };
    }, { users: 2, looking: 2, tabs: 3, unproven: 0 });
  }
  const { body } = await ams.post("/api/v1/publish", { stream: "bench", data: 1 });
  assert.deepEqual(JSON.parse(body), { stream: "bench", regions_heard: 2, regions_known: 2 });
});

const shop = "https://shop.example";

/** A page of the shop that has joined a room; returns all messages from the node. */
async function page(t, node, room, token) {
  const { told, last } = await embeddedPage(t, node, shop, room, token);
  await until("the page has joined", () => last("counts"));
  return told;
}

test("a signed user is listed with the site's information, and is dismissed in all regions", async (t) => {
  const [ams, yyz] = await mesh(t, ["ams", "yyz"], { args: ["--site", shop] });
  const { stdout } = await promisify(execFile)(program, ["sign", "p/7", "--site", shop, "--user", "42", "--info", '{"name":"Ada"}'], { env: { GP_SECRET: secret } });
  const pages = [await page(t, ams, "p/7", stdout.trim()), await page(t, yyz, "p/7", stdout.trim())];
  const bystander = await page(t, yyz, "p/7");
  const members = () => ams.json("/api/v1/rooms/members?room=shop.example/p/7", { headers: { authorization } }).then((answer) => answer.members);
  const ada = await until("the signed user is listed once", async () => (await members()).find(({ info, tabs }) => info?.name === "Ada" && tabs === 2));
  assert.deepEqual(ada.regions, ["ams", "yyz"]);
  await untilEqual("both users are below the shop's path", async () => (await yyz.room("shop.example/")).users, 2);

  assert.equal((await ams.post("/api/v1/rooms/dismiss", { room: "shop.example/p/7", member: ada.id })).status, 202);
  for (const told of pages) await until("the page is told that it has left", () => told.some(({ type }) => type === "left"));
  await until("no other user has", async () => (await members()).every(({ id }) => id !== ada.id), { within: 10_000 });
  assert.equal((await members()).length, 1);
  assert.ok(!bystander.some(({ type }) => type === "left"));
});

test("counts arrive as events in another region than the visitor's", async (t) => {
  const [ams, yyz] = await mesh(t, ["ams", "yyz"]);
  const stream = await fetch(`http://127.0.0.1:${yyz.port}/api/v1/rooms/events?room=demo`);
  const counts = [];
  (async () => {
    let rest = "";
    for await (const chunk of stream.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + chunk).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const data = block.match(/^data: (.*)$/m);
        if (data) counts.push(JSON.parse(data[1]));
      }
    }
  })().catch(() => {});
  await until("the current counts arrive at once", () => counts[0]?.users === 0);
  await BareClient.join(t, ams);
  await until("and then the visitor", () => counts.at(-1).users === 1);
  await ams.kill();
  await until("and that the visitor is unsure", () => counts.at(-1).users === 0 && counts.at(-1).unsure === 1, { within: 15_000 });
  assert.equal(counts.at(-1).regions.find(({ region }) => region === "ams").state, "silent");
});
