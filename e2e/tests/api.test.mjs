// The HTTP API as somebody meets it who reads its page, and over two regions.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { BareClient } from "../lib/client.mjs";
import { Jar } from "../lib/http.mjs";
import { Node, apiKey, mesh } from "../lib/node.mjs";
import { root } from "../lib/paths.mjs";
import { until } from "../lib/until.mjs";

const authorization = `Bearer ${apiKey}`;

/** One POST with the key; `{ status, body }`. */
async function post(node, path, body) {
  const answer = await node.get(path, {
    method: "POST", body: JSON.stringify(body), headers: { authorization, "content-type": "application/json" },
  });
  return { status: answer.status, body: JSON.parse(answer.body) };
}

test("every command of docs/api.md works as it is copied", async (t) => {
  const node = await Node.start(t);
  const blocks = [...readFileSync(join(root, "docs/api.md"), "utf8").matchAll(/```sh\n([^`]*)```/g)].map(([, text]) => text);
  const commands = blocks.join("").split("\n").filter((line) => line.startsWith("curl "));
  assert.ok(commands.length >= 8, commands.join("\n"));
  for (const command of commands) {
    const script = `curl() { command curl --silent --show-error --fail-with-body --max-time 2 "$@"; }\n${command.replace("<id>", "0".repeat(64))}`;
    const env = { PATH: process.env.PATH, URL: node.url, GP_API_KEY: apiKey };
    const { stdout } = await promisify(execFile)("bash", ["-c", script], { env }).catch((error) => {
      // A stream goes on until it is cut off.
      if (error.code === 28 && command.includes("/events")) return error;
      throw new Error(`${command}: ${error.stderr} ${error.stdout}`);
    });
    assert.match(stdout, /"(users|rooms|members|stream|member)":/, command);
  }
});

test("what is asked in one region is true of all", async (t) => {
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
    const { rooms } = await node.json("/api/v1/rooms/busiest", { headers: { authorization } });
    assert.deepEqual(rooms, [{ room: "demo", users: 2 }]);
    const { users, looking, tabs, unproven } = await node.room();
    assert.deepEqual({ users, looking, tabs, unproven }, { users: 2, looking: 2, tabs: 3, unproven: 0 });
  }
  const { body } = await post(ams, "/api/v1/publish", { stream: "bench", data: 1 });
  assert.deepEqual(body, { stream: "bench", regions_heard: 2, regions_known: 2 });
});
