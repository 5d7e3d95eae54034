// Runs every check and test, and ends with one line of totals: `make test` and CI.
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const deny = join(target, "deny/bin/cargo-deny");
const failures = [];
/** How often each test of a browser or a tidy rule has failed. */
const failed = new Map();
const times = [];
const sum = { passed: 0, failed: 0, skipped: 0 };

/** Runs a command, prints its output, and passes each line to `eachLine`. What is `quiet` is printed only if it fails. */
function run(name, command, args, { env = {}, eachLine = () => {}, quiet = false } = {}) {
  console.log(`\n== ${name}: ${command} ${args.join(" ")}`);
  const started = Date.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", quiet ? "pipe" : "inherit"] });
    let rest = "";
    let kept = "";
    const print = (text) => (quiet ? (kept += text) : process.stdout.write(text));
    child.stderr?.setEncoding("utf8").on("data", print);
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text) => {
      print(text);
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      lines.forEach(eachLine);
    });
    const end = (code) => {
      if (code !== 0) {
        failures.push(name);
        process.stdout.write(kept);
      }
      times.push(`${name} ${((Date.now() - started) / 1000).toFixed(0)} s`);
      resolve(code === 0);
    };
    child.on("error", (error) => {
      console.error(`${command}: ${error.message}`);
      end(1);
    });
    child.on("close", end);
  });
}

/** `test result: ok. 3 passed; 0 failed; 0 ignored; ...` of cargo. */
function countCargo(line) {
  const found = line.match(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/);
  if (!found) return;
  sum.passed += Number(found[1]);
  sum.failed += Number(found[2]);
  sum.skipped += Number(found[3]);
}

/** Sums the closing lines of one run of node's test runner, and counts the tests that failed by name. */
function countNode(report) {
  for (const [, name] of readFileSync(report, "utf8").matchAll(/^not ok \d+ - (.*)$/gm)) failed.set(name, (failed.get(name) ?? 0) + 1);
  for (const [, word, number] of readFileSync(report, "utf8").matchAll(/^# (pass|fail|cancelled|skipped) (\d+)$/gm)) {
    if (word === "pass") sum.passed += Number(number);
    else if (word === "skipped") sum.skipped += Number(number);
    else sum.failed += Number(number);
  }
}

function testFiles(folder) {
  return readdirSync(join(root, folder)).filter((file) => file.endsWith(".test.mjs")).sort().map((file) => join(folder, file));
}

async function runNode(name, files, concurrency, env = {}) {
  if (files.length === 0) return;
  const report = join(target, `node-${name.replaceAll(" ", "-")}.tap`);
  mkdirSync(target, { recursive: true });
  await run(name, "node", [
    "--test", `--test-concurrency=${concurrency}`, "--test-timeout=600000",
    "--test-reporter=spec", "--test-reporter-destination=stdout",
    "--test-reporter=tap", `--test-reporter-destination=${report}`,
    ...files,
  ], { env });
  countNode(report);
}

/** Starts programs that only take time from others, until the function that it returns is called or this process ends. */
function busyLoops(count) {
  const loop = `while (process.ppid === ${process.pid});`;
  const loops = Array.from({ length: count }, () => spawn(process.execPath, ["-e", loop], { stdio: "ignore" }));
  return () => loops.forEach((loop) => loop.kill("SIGKILL"));
}

/** The properties of all parsers, one after the other: together they take FUZZ_SECONDS. */
const fuzz = ["test", "--release", "--workspace", "--lib", "--tests", "--", "fuzz::", "--nocapture", "--test-threads", "1"];

const only = process.argv[2];
// What the tests need besides the compiler is installed while that works.
const prepared = only ? undefined : run("preparation", "scripts/prepare.sh", [], { quiet: true });
if (only === "fuzz") await run("fuzz", "cargo", fuzz, { eachLine: countCargo });
if (!only || only === "check") {
  await run("format", "cargo", ["fmt", "--all", "--check"]);
  await run("clippy", "cargo", ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]);
  await run("documentation", "cargo", ["doc", "--release", "--workspace", "--no-deps", "--document-private-items"], { env: { RUSTDOCFLAGS: "-D warnings" } });
  await runNode("tidy", testFiles("e2e/tidy"), 1);
  // `make check` needs no preparation, and does without it where there was none.
  if (only && existsSync(deny)) await run("dependencies", deny, ["check", "bans", "licenses", "sources"]);
}
if (!only || ["build", "browsers", "truth"].includes(only)) {
  // A second program for the test of two versions side by side, in which a test can plant faults. It names a test target, too, so that all dependencies
  // have the same features as in the build below and none is compiled twice.
  const later = ["--bin", "global-presence", "--test", "storm", "--features", "presence-core/later-version,presence-server/planted"];
  // It is compiled quickly: how fast it runs does not matter.
  for (const name of ["core", "cable", "server", "demo"]) later.push("--config", `profile.release.package.presence-${name}.opt-level=0`);
  if (await run("later build", "cargo", ["build", "--release", "--workspace", ...later])) {
    copyFileSync(join(target, "release/global-presence"), join(target, "release/global-presence-later"));
  }
}
if (only !== "check" && only !== "fuzz") {
  // One build for all, with the features of the tests, so that nothing is compiled twice.
  await run("build", "cargo", ["build", "--release", "--workspace", "--all-targets"]);
}
if (await prepared) {
  await run("dependencies", deny, ["check", "bans", "licenses", "sources"]);
  await run("advisories", "node", ["scripts/advisories.mjs", deny]);
}
if (!only || only === "rust") {
  await run("rust tests", "cargo", ["test", "--release", "--workspace", "--no-fail-fast"], { eachLine: countCargo });
  await run("fuzz", "cargo", fuzz, { env: { FUZZ_SECONDS: "60" }, eachLine: countCargo });
  await run("planted faults", "cargo", ["test", "--release", "-p", "presence-core", "--features", "planted", "--test", "planted", "every"], { eachLine: countCargo });
}
if (!only || only === "browsers") {
  // Tests that measure time run alone; the others mostly wait. With four at a time, browsers took longer to start on two cores
  // than the tests allow.
  await runNode("browsers", testFiles("e2e/tests"), 3);
  // These count or compile, which takes a processor for long; those of the run books wait.
  await runNode("paired and runbooks", [...testFiles("e2e/paired"), ...testFiles("e2e/runbooks")], 2);
  await runNode("alone", testFiles("e2e/alone"), 1);
  // The same tests with links over TLS, and through NATS.
  const tls = { GP_TEST_MESH: "tls", STARTS: "1" };
  await runNode("browsers over tls", ["two-regions", "crash", "freeze", "drain-restart"].map((name) => `e2e/tests/${name}.test.mjs`), 4, tls);
  await runNode("browsers over nats", ["crash", "drain-restart", "secret-rotation"].map((name) => `e2e/tests/${name}.test.mjs`), 4, { GP_TEST_MESH: "nats" });
  await runNode("alone over tls", ["starts", "links-return"].map((name) => `e2e/alone/${name}.test.mjs`), 1, tls);
}
if (only === "truth") {
  for (let round = 1; round <= 5; round += 1) await runNode(`freezes ${round} of 5`, ["e2e/alone/links-freeze.test.mjs", "e2e/tests/freeze.test.mjs"], 1);
  const end = busyLoops(8);
  const rounds = Number(process.env.ROUNDS ?? 10);
  for (let round = 1; round <= rounds; round += 1) await runNode(`browsers ${round} of ${rounds}`, testFiles("e2e/tests"), 4);
  end();
}

console.log(`\n${times.join(", ")}`);
for (const [name, count] of failed) console.log(`failed${count > 1 ? ` ${count} times` : ""}: ${name}`);
if (failures.length > 0) console.log(`Failed: ${failures.join(", ")}`);
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ""}`);
process.exitCode = failures.length > 0 || sum.failed > 0 || (sum.passed === 0 && only !== "build") ? 1 : 0;
