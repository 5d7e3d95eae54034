// A disk of four MiB that a test can fill: a tmpfs in a mount namespace of its own, gone with its holder.
import { spawn } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { folder } from "./node.mjs";

/** `{ path, command(program, args), fill(), free() }`: programs are started by `command` to see the disk at `path`. */
export async function smallDisk(t, size = "4m") {
  const path = folder(t);
  const holder = spawn("unshare", ["--user", "--map-root-user", "--mount", "sh", "-c",
    `mount -t tmpfs -o size=${size} none "${path}" && echo mounted && exec sleep 3600`], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => holder.kill("SIGKILL"));
  await new Promise((resolve, reject) => {
    let complaint = "";
    holder.stderr.on("data", (text) => (complaint += text));
    holder.stdout.once("data", resolve);
    holder.once("exit", () => reject(new Error(`no small disk: ${complaint}`)));
  });
  const inside = `/proc/${holder.pid}/root${path}`;
  return {
    path,
    command: (program, args) => ["nsenter", ["--preserve-credentials", "--user", "--mount", `--target=${holder.pid}`, program, ...args]],
    fill() {
      const file = openSync(join(inside, "filler"), "a");
      const piece = Buffer.alloc(4_096, "x");
      try {
        for (;;) writeSync(file, piece);
      } catch (error) {
        if (error.code !== "ENOSPC") throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(join(inside, "filler")),
  };
}
