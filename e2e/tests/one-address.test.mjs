// One address can't take every place of a node.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { Node } from "../lib/node.mjs";
import { until } from "../lib/until.mjs";

test("900 idle connections of one address keep no one out, and the limit of open files is raised", { timeout: 60_000 }, async (t) => {
  const command = (program, line) => ["sh", ["-c", 'ulimit -Sn 1024; exec "$@"', "sh", program, ...line]];
  const node = await Node.start(t, { command });
  const [, soft, hard] = readFileSync(`/proc/${node.pid}/limits`, "utf8").match(/^Max open files +(\d+) +(\d+)/m);
  assert.equal(soft, hard);
  const few = await Node.start(t, { args: ["--connections", "300"] });
  for (const target of [node, few]) {
    const sockets = Array.from({ length: 900 }, () => connect(target.port, "127.0.0.1").on("error", () => {}));
    t.after(() => sockets.forEach((socket) => socket.destroy()));
    await until("all have tried", () => sockets.every((socket) => !socket.connecting));
    const begun = Date.now();
    assert.equal((await target.get("/healthz", { timeout: 5_000 })).status, 200);
    assert.ok(Date.now() - begun < 1_000, `${Date.now() - begun} ms`);
  }
});
