// Looks for known vulnerabilities in what we depend on: `node scripts/advisories.mjs PROGRAM [SECONDS]`. Their list is on the
// network. Where it can't be fetched in time, one line says so, and that is no failure; `make advisories` insists on it.
import { spawn } from "node:child_process";

const [program, seconds = "60"] = process.argv.slice(2);
// git must not wait for a password.
const env = { ...process.env, GIT_TERMINAL_PROMPT: "0" };
// Its own group, since it starts git.
const child = spawn(program, ["check", "advisories"], { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
let [output, late] = ["", false];
for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
const timer = setTimeout(() => {
  late = true;
  process.kill(-child.pid, "SIGKILL");
}, Number(seconds) * 1_000);
child.on("error", (error) => {
  clearTimeout(timer);
  console.error(`${program}: ${error.message}`);
  process.exitCode = 1;
});
child.on("close", (code) => {
  clearTimeout(timer);
  if (late || /failed to fetch advisory database/.test(output)) {
    console.log(`advisories were not checked: their list could not be fetched${late ? ` in ${seconds} s` : ""}`);
    return;
  }
  console.log(output.trim());
  process.exitCode = code;
});
