// What links between nodes take from their machine.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { bareMesh } from "../lib/links.mjs";

const MESSAGES = 100;

test("sending to other nodes takes no file descriptor: links live on where none is free", async (t) => {
  const { nodes } = await bareMesh(t, 2);
  const [publisher, reader] = nodes;
  const limit = (node, most) => execFileSync("prlimit", [`--pid=${node.process.pid}`, `--nofile=${most}:`]);
  nodes.forEach((node) => limit(node, 0));
  await publisher.publish(MESSAGES, 200, 1);
  nodes.forEach((node) => limit(node, 1_024));
  assert.equal((await reader.report()).latency.count, MESSAGES);
  assert.deepEqual(nodes.flatMap((node) => node.all("lost")), []);
});
