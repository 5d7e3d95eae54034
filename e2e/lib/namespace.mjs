// Private mounts for the processes that a test starts.
import { spawn } from "node:child_process";

/** Runs `mount` in a mount namespace of its own. Programs that are started by `command(program, args)` see its mounts. */
export async function mountNamespace(t, mount) {
  const holder = spawn("unshare", ["--user", "--map-root-user", "--mount", "sh", "-c", `${mount} && echo mounted && exec sleep 3600`], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => holder.kill("SIGKILL"));
  await new Promise((resolve, reject) => {
    let complaint = "";
    holder.stderr.on("data", (text) => (complaint += text));
    holder.stdout.once("data", resolve);
    holder.once("exit", () => reject(new Error(`${mount}: ${complaint}`)));
  });
  return {
    pid: holder.pid,
    command: (program, args) => ["nsenter", ["--preserve-credentials", "--user", "--mount", `--target=${holder.pid}`, program, ...args]],
  };
}
