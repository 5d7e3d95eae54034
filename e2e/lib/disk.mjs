// A disk of four MiB that a test can fill: a tmpfs in a mount namespace of its own.
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { mountNamespace } from "./namespace.mjs";
import { folder } from "./node.mjs";

/** `{ path, command(program, args), fill(name), free(name) }`: programs are started by `command` to see the disk at `path`. */
export async function smallDisk(t, size = "4m") {
  const path = folder(t);
  const namespace = await mountNamespace(t, `mount -t tmpfs -o size=${size} none "${path}"`);
  const inside = `/proc/${namespace.pid}/root${path}`;
  return {
    path,
    command: namespace.command,
    fill(name = "filler") {
      const file = openSync(join(inside, name), "a");
      const piece = Buffer.alloc(4_096, "x");
      try {
        for (;;) writeSync(file, piece);
      } catch (error) {
        if (error.code !== "ENOSPC") throw error;
      } finally {
        closeSync(file);
      }
    },
    free: (name = "filler") => rmSync(join(inside, name)),
  };
}
