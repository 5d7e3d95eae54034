// The order of modules in presence-server's http folder, and the table in its lib.rs.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { orders } from "../lib/layout.mjs";
import { root } from "../lib/paths.mjs";

const source = `${root}/crates/presence-server/src`;

const http = [
  "router", "reports", "metrics", "api", "embeds", "pages", "upgrade", "sign_in", "error_pages", "page_request", "framing", "cors", "request_log", "room_name", "sampling", "state", "occupancy", "open_streams", "printed_tabs", "files", "readiness", "listen", "connections", "request_info",
  "open_answer", "refused_origin", "address_limit", "api_key", "gzip_cache", "view_cache", "roll_up_cache", "reader", "request_stats", "room_views", "edge", "tls", "markup", "unavailable",
];

/** The code of every file below a folder, by the folder's module that it belongs to; without comments and tests. */
function codeByModule(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".rs") && !file.includes("tests"));
  const code = new Map();
  for (const file of files) {
    const module = file.split("/")[0].replace(/\.rs$/, "");
    const text = readFileSync(`${folder}/${file}`, "utf8").replaceAll(/\/\/.*$/gm, "").split("#[cfg(test)]")[0];
    code.set(module, (code.get(module) ?? "") + text);
  }
  return code;
}

/** The modules of `order` that a text names behind one of these paths. */
function imports(text, paths, order) {
  const found = new Set();
  for (const path of paths) {
    const group = new RegExp(`(?<![\\w:])${path}::(?:(\\w+)|\\{([^;]*?)\\};)`, "g");
    for (const [, one, several] of text.matchAll(group)) {
      for (const name of one ? [one] : several.match(/\b\w+\b/g)) if (order.includes(name)) found.add(name);
    }
  }
  return [...found];
}

function check(folder, order, pathsOf) {
  const code = codeByModule(folder);
  assert.deepEqual([...code.keys()].filter((module) => module !== "lib" && !order.includes(module)), [], "modules without a place");
  const upwards = [];
  for (const [module, text] of code) {
    const place = order.indexOf(module);
    for (const other of imports(text, pathsOf(module), order)) {
      if (module !== "lib" && other !== module && order.indexOf(other) < place) upwards.push(`${module} imports ${other}`);
    }
  }
  assert.deepEqual(upwards, []);
}

test("modules of the http folder import only those after them", () => {
  check(`${source}/http`, http, () => ["crate::http", "super"]);
});

test("the table in lib.rs lists every module", () => {
  const table = readFileSync(`${source}/lib.rs`, "utf8").match(/^\/\/! \|.*$/gm).join("\n");
  assert.deepEqual(orders["presence-server"].filter((module) => !table.includes(`\`${module}\``)), []);
});
