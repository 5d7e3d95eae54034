// One thread of a node, stopped while all others run: what a node is like whose thread hangs.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./paths.mjs";

/** A node that is started by this `command` may be traced by a process that is no parent of it, where the kernel restricts that. */
export function traceable(program, args) {
  const [allow, any] = [0x59616d61, -1]; // prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)
  return ["python3", ["-c", `import ctypes, os, sys; ctypes.CDLL(None).prctl(${allow}, ctypes.c_long(${any}), 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])`, program, ...args]];
}

/** Stops the node's thread of this name; resolves with what lets it go on. */
export async function stopThread(t, node, name) {
  const tracer = spawn("python3", [join(root, "e2e/lib/threads.py"), String(node.pid), name], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => tracer.on("close", resolve));
  const end = () => {
    tracer.kill("SIGKILL");
    return ended;
  };
  t.after(end);
  let said = "";
  tracer.stderr.on("data", (text) => (said += text));
  await Promise.race([
    new Promise((resolve) => tracer.stdout.once("data", resolve)),
    ended.then(() => Promise.reject(new Error(`thread ${name}: ${said}`))),
  ]);
  return end;
}
