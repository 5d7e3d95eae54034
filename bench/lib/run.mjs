// Runs other programs: to their end, or as servers until they are stopped.
import { execFileSync, spawn } from "node:child_process";
import { connect } from "node:net";
import { environment } from "../../e2e/lib/environment.mjs";
import { pause } from "../../e2e/lib/until.mjs";

const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** The output of a program, or `undefined` if it is missing or fails. */
export function output(command, args = [], options = {}) {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], ...options }).trim();
  } catch {
    return undefined;
  }
}

/** Runs a program to its end and shows its output; false if it fails. */
export function passes(command, args, options = {}) {
  try {
    execFileSync(command, args, { stdio: ["ignore", 2, 2], ...options });
    return true;
  } catch {
    return false;
  }
}

/** Raises the limit of open files. The shell becomes the program, so its pid is the program's. */
function unlimited(line) {
  return ["sh", ["-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", ...line]];
}

function launch(line, env, stdio) {
  const [command, args] = unlimited(line);
  const child = spawn(command, args, { env: environment(env), stdio });
  running.add(child);
  child.output = "";
  for (const pipe of [child.stdout, child.stderr]) pipe?.setEncoding("utf8").on("data", (text) => (child.output = (child.output + text).slice(-4_000)));
  child.ended = new Promise((resolve) => child.on("close", (code) => {
    running.delete(child);
    resolve(code);
  }));
  return child;
}

/** Starts a server and waits until `port` accepts connections. */
export async function start(line, { env = {}, port, within = 30_000 } = {}) {
  const child = launch(line, env, ["ignore", "pipe", "pipe"]);
  const end = Date.now() + within;
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`${line[0]} ended: ${child.output}`);
    if (Date.now() > end) throw new Error(`${line[0]} does not listen on ${port}: ${child.output}`);
    await pause(5);
  }
  return child;
}

/** Stops a server, by force if it takes longer than a second. */
export async function stop(child) {
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), 1_000);
  await child.ended;
  clearTimeout(late);
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Runs a program that prints lines of JSON, and returns them; passes each to `each` as it arrives. */
export async function measurements(line, env = {}, each = () => {}) {
  const child = launch(line, env, ["ignore", "pipe", "pipe"]);
  const lines = [];
  let rest = "";
  child.stdout.on("data", (part) => {
    const whole = (rest + part).split("\n");
    rest = whole.pop();
    for (const one of whole) {
      lines.push(JSON.parse(one));
      each(lines.at(-1));
    }
  });
  const code = await child.ended;
  if (code !== 0) lines.push({ kind: "failed", why: child.output.trim().split("\n").at(-1) });
  return lines;
}
