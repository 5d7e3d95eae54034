// The sites of e2e/frameworks, built as their makers build them, and served beside a node.
import { execFile } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { browser, open, visitor } from "./browser.mjs";
import { environment } from "./environment.mjs";
import { Node, folder } from "./node.mjs";
import { root } from "./paths.mjs";
import { shop } from "./shop.mjs";
import { run } from "./stock.mjs";
import { untilEqual } from "./until.mjs";

export const sources = join(root, "e2e/frameworks");
/** Where the documents load the script from. */
export const documented = "https://presence.example.com";
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };

/** Runs a program of the sites' packages. */
export async function packaged(name, args, env = {}) {
  const options = { cwd: sources, env: environment(env), timeout: 60_000 };
  return promisify(execFile)(join(sources, "node_modules/.bin", name), args, options).catch((error) => {
    throw new Error(`${name}: ${error.message}\n${error.stdout}${error.stderr}`);
  });
}

/** Builds a site into a folder of the test: for production, unless `mode` is "development". */
export async function build(t, name, { mode = "production", args = [] } = {}) {
  const out = folder(t);
  await packaged("vite", ["build", name, "--outDir", out, "--emptyOutDir", "--logLevel", "warn", "--mode", mode, ...args], { NODE_ENV: mode });
  return out;
}

/** A shop with a node that serves it. `serve(files, html, headers)` puts its pages: `/lamp` and `/chair`. */
export async function shopWithNode(t) {
  const site = await shop(t);
  const node = await Node.start(t, { args: site.site, host: "presence.localhost" });
  const token = await run("sign", "private/lamp", "--site", site.origin);
  site.put("/token", token, { "content-type": "text/plain" });
  const users = (name) => node.counts(`${site.host}/${name}`).then((counts) => counts.users);
  const serve = (files, html = (text) => text, headers = {}) => {
    for (const file of readdirSync(files, { recursive: true }).filter((path) => types[extname(path)])) {
      const text = readFileSync(join(files, file), "utf8").replaceAll(documented, node.url);
      if (file !== "index.html") site.put(`/${file}`, text, { "content-type": types[extname(file)] });
      else for (const path of ["/lamp", "/chair"]) site.put(path, () => html(text, path), headers);
    }
  };
  return { site, node, users, serve };
}

/** A page of a person of their own. Files at `late` (a pattern of their addresses) arrive when the page has an element `after`; `routes` handles others. */
export async function openSite(t, url, { late, after, routes = {} } = {}) {
  const context = await visitor(await browser(t));
  for (const [pattern, handle] of Object.entries(routes)) await context.route(pattern, handle);
  if (late) {
    await context.route(late, async (route) => {
      await context.pages()[0].locator(after).first().waitFor({ state: "attached" });
      await route.continue();
    });
  }
  return open(context, url);
}

/** The texts of a page's elements come to be these, in shadow roots of the page, too. */
export function untilTexts(page, texts) {
  const read = () => page.locator("live-presence").evaluateAll((all) => all.map((element) => {
    const seen = element.checkVisibility() ? element.shadowRoot?.querySelector("[part=line]") : undefined;
    return seen?.textContent.replace(/\s+/g, " ").trim() ?? "";
  }));
  return untilEqual(`the page shows ${texts}`, read, texts, { within: 15_000 });
}
