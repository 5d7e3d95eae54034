// The recipes of docs/recipes: each is run as far as what it is written for can be had here, against a real node.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { browser, open, visitor } from "../lib/browser.mjs";
import { shopWithNode } from "../lib/frameworks.mjs";
import { folder } from "../lib/node.mjs";
import { project } from "../lib/package.mjs";
import { root, target } from "../lib/paths.mjs";
import { freePort } from "../lib/ports.mjs";
import { harnesses, lines, snippet } from "../lib/recipes.mjs";
import { people, untilShown } from "../lib/shop.mjs";

const sources = createRequire(join(root, "e2e/package/package.json"));

/** A shop with a node, and one person on its page `/lamp`. */
async function shopWithVisitor(t) {
  const all = await shopWithNode(t);
  const page = await open(await visitor(await browser(t)), all.site.put("/lamp", `<!doctype html><title>A lamp</title><script type="module" src="${all.node.url}/presence.js"></script><live-presence></live-presence>`));
  await untilShown(page, people(1));
  // Not every language resolves the names below localhost.
  return { ...all, room: `${all.site.host}/lamp`, url: `http://127.0.0.1:${all.node.port}` };
}

/** The address of something that takes connections and closes them, as a proxy does whose node is away. */
async function hangsUp(t) {
  const server = net.createServer((socket) => socket.on("error", () => {}).end());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** A recipe in a file of the test. */
function written(t, name, file, url) {
  const place = folder(t);
  writeFileSync(join(place, file), snippet(name, url));
  return { place, file: join(place, file) };
}

test("the list of recipes says of each how it is tested", () => {
  const files = readdirSync(join(root, "docs/recipes")).filter((file) => file !== "README.md");
  const listed = [...readFileSync(join(root, "docs/recipes/README.md"), "utf8").matchAll(/^\| \[\w+\]\((\w+\.md)\) \| .+ \|$/gm)].map(([, file]) => file);
  assert.deepEqual(listed.sort(), files.sort());
});

describe("recipes of servers that print the number", { concurrency: 2 }, () => {
  const hostile = `shop.example/"><script>'&`;

  for (const [name, file, run, sentence, attributes] of [
    ["wordpress", "functions.php", (file, room) => lines("php", join(harnesses, "wordpress.php"), file, `http://${room}/`), "1 Person sieht sich das gerade an"],
    ["laravel", "LivePresence.php", (file, room) => lines("php", join(harnesses, "laravel.php"), file, room), "1 pessoa está vendo isto", "pt-BR"],
    ["rails", "presence_helper.rb", (file, room) => lines("ruby", join(harnesses, "rails.rb"), file, room), "1 personne regarde cette page", "fr"],
  ]) {
    test(`${name}: the sentence, once for two pages, and an empty element while the node is away`, { timeout: 90_000 }, async (t) => {
      const { url, room } = await shopWithVisitor(t);
      const away = `http://127.0.0.1:${await freePort()}`;
      const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&#39;");
      const element = (room, text) => `<live-presence room="${escaped(room)}"${attributes ? ` lang="${attributes}"` : ""}>${text}</live-presence>`;
      const printed = async (url, room) => (await run(written(t, name, file, url).file, room)).map((line) => line.replaceAll("&#039;", "&#39;"));
      const seen = await printed(url, room);
      if (name === "wordpress") assert.equal(seen.shift(), `<script type="module" async src="${url}/presence.js"></script>`);
      assert.deepEqual(seen, [element(room, sentence), element(room, sentence), "1"]);
      for (const broken of [away, await hangsUp(t)]) assert.equal((await printed(broken, hostile)).at(-2), element(hostile, ""));
    });
  }

  test("django: in Django itself", { timeout: 180_000 }, async (t) => {
    const { url, room } = await shopWithVisitor(t);
    const python = join(target, "recipes/bin/python");
    const printed = (url, room) => lines(python, join(harnesses, "django_page.py"), written(t, "django", "presence.py", url).place, room);
    const element = `<live-presence room="${room}" lang="it">1 persona sta guardando questa pagina</live-presence>`;
    assert.deepEqual(await printed(url, room), [element, element]);
    for (const broken of [`http://127.0.0.1:${await freePort()}`, await hangsUp(t)]) {
      const [first] = await printed(broken, hostile);
      assert.equal(first, '<live-presence room="shop.example/&quot;&gt;&lt;script&gt;&#x27;&amp;" lang="it"></live-presence>');
    }
  });

  test("next: its types, and the component in React's server renderer", { timeout: 480_000 }, async (t) => {
    const { url, room } = await shopWithVisitor(t);
    const { place, run } = await project(t);
    mkdirSync(join(place, "next"));
    writeFileSync(join(place, "next/watching.tsx"), snippet("next", url));
    writeFileSync(join(place, "next/next.d.ts"), 'declare module "next/server" { export function connection(): Promise<void> }\n');
    writeFileSync(join(place, "next/tsconfig.json"), readFileSync(join(place, "react/tsconfig.json"), "utf8"));
    await run("tsc", "-p", "next");

    mkdirSync(join(place, "node_modules/next"));
    writeFileSync(join(place, "node_modules/next/package.json"), '{"type":"module","exports":{"./server":"./server.js"}}');
    writeFileSync(join(place, "node_modules/next/server.js"), "export const connection = async () => {};\n");
    writeFileSync(join(place, "next/page.tsx"), `import { prerenderToNodeStream } from "react-dom/static";
import { Watching } from "./watching";
const { prelude } = await prerenderToNodeStream(<Watching room={process.argv[2]!} lang="sv" />);
for await (const part of prelude) process.stdout.write(part);
`);
    await run("vite", "build", "next", "--ssr", "page.tsx", "--outDir", join(place, "next/out"), "--logLevel", "warn");
    const html = (await lines(process.execPath, join(place, "next/out/page.js"), room)).join("\n");
    assert.match(html, new RegExp(`<live-presence room="${room}" lang="sv">1 person tittar på detta</live-presence>`));
    assert.ok(html.includes(`src="${url}/presence.js"`), html);
  });
});

describe("recipes of themes, in a browser", () => {
  for (const [name, render] of [
    ["shopify", async (text, path) => {
      const { Liquid } = sources("liquidjs");
      return new Liquid().parseAndRender(text, { product: { url: path }, request: { locale: { iso_code: "de" } } });
    }],
    ["ghost", async (text, path) => {
      const handlebars = sources("handlebars");
      return handlebars.compile(text)({ url: path }, { data: { site: { locale: "de" } } });
    }],
  ]) {
    test(`${name}: two visitors see each other, one alone sees no number`, { timeout: 90_000 }, async (t) => {
      const { site, node, users } = await shopWithNode(t);
      const html = await render(snippet(name, node.url), "/products/lamp");
      const url = site.put("/products/lamp", `<!doctype html><html lang="en"><title>A lamp</title><body>${html}`);
      const chromium = await browser(t);
      const one = await open(await visitor(chromium), url);
      await one.waitForSelector("live-presence[data-below]", { state: "attached" });
      const two = await open(await visitor(chromium), url);
      for (const page of [one, two]) await untilShown(page, "2 Personen sehen sich das gerade an");
      assert.equal(await users("products/lamp"), 2);
      assert.deepEqual([...one.complaints, ...two.complaints], []);
    });
  }
});
