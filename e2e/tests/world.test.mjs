// Six regions on one machine, by one command: they find each other over an ocean, and all stop together.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { BareClient } from "../lib/client.mjs";
import { folder } from "../lib/node.mjs";
import { program } from "../lib/paths.mjs";
import { until } from "../lib/until.mjs";
import { REGIONS, world } from "../lib/world.mjs";

test("six regions find each other, a click crosses an ocean, Ctrl-C stops them all", { timeout: 180_000 }, async (t) => {
  const running = await world(t);
  assert.match(running.said, /Every region hears every other/);
  for (const [place, region] of REGIONS.entries()) {
    assert.ok(running.said.includes(`http://${region}.localhost:${running.port + place} `), running.said);
    assert.equal((await running.node(region).get("/readyz")).status, 200);
  }
  const [toronto, chennai] = await Promise.all(["yyz", "maa"].map((region) => BareClient.join(t, running.node(region), { draws: true })));
  const clicked = Date.now();
  await toronto.toggle();
  await until("the bulb is lit in Chennai", () => chennai.bulb, { every: 1 });
  assert.ok(Date.now() - clicked >= 95, `the ocean took ${Date.now() - clicked} ms`);
  const trip = await until("the round trip is known", async () => {
    const { regions } = JSON.parse((await running.node("yyz").get("/api/v1/mesh")).body);
    return regions.find(({ region }) => region === "maa").round_trip_ms;
  });
  assert.ok(trip >= 190 && trip < 400, `Chennai and back takes ${trip} ms`);

  const pids = running.pids();
  assert.equal(pids.length, 6);
  running.child.kill("SIGINT");
  assert.deepEqual(await running.ended, { code: 0, signal: null }, running.said);
  assert.deepEqual(pids.filter((pid) => existsSync(`/proc/${pid}`)), []);
  assert.doesNotMatch(running.said, /panicked|did not stop cleanly/);
});

test("a region that ends unexpectedly is reported, and the others continue", { timeout: 180_000 }, async (t) => {
  const kept = folder(t);
  const running = await world(t, ["--no-wan", "--data-dir", kept]);
  assert.deepEqual(readdirSync(kept).sort(), REGIONS);
  const [first] = running.pids();
  process.kill(first, "SIGKILL");
  await until("it is reported", () => / has ended unexpectedly \(signal: 9/.test(running.said));
  assert.equal(running.pids().length, 5);

  const second = spawn(program, ["world", "--port", String(running.port)], { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  second.stderr.setEncoding("utf8").on("data", (text) => (complaint += text));
  const code = await new Promise((resolve) => second.on("close", resolve));
  assert.equal(code, 1);
  assert.match(complaint, /^global-presence: port \d+ can't be used .*--port/);

  running.child.kill("SIGTERM");
  assert.equal((await running.ended).code, 0);
  assert.equal(running.pids().length, 0);
});
