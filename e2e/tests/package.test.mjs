// The npm package live-presence, as it would be published: its types, its frameworks, and what it prints on a server.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { openSite, shopWithNode, untilTexts } from "../lib/frameworks.mjs";
import { project } from "../lib/package.mjs";
import { root } from "../lib/paths.mjs";
import { people } from "../lib/shop.mjs";
import { untilEqual } from "../lib/until.mjs";

const soon = { within: 15_000 };

describe("live-presence", () => {
  const cleanups = [];
  after(() => cleanups.forEach((clean) => clean()));
  let installed, server;
  before(async () => {
    installed = await project({ after: (clean) => cleanups.push(clean) });
    server = await import(pathToFileURL(join(installed.place, "node_modules/live-presence/server.js")));
  });

  test("the archive holds what is used, and nothing else", () => {
    const names = ["index", "react", "server", "svelte", "vue"];
    assert.deepEqual(installed.files.sort(), ["package.json", "README.md", "words.js", ...names.flatMap((name) => [`${name}.d.ts`, `${name}.js`])].sort());
  });

  test("types: what is right compiles, and what is wrong does not", { timeout: 480_000 }, async () => {
    const { run } = installed;
    await run("tsc", "-p", "plain");
    await run("tsc", "-p", "react");
    await run("vue-tsc", "--noEmit", "-p", "vue");
    await run("svelte-check", "--workspace", "svelte", "--tsconfig", "./tsconfig.json", "--fail-on-warnings");
  });

  for (const name of ["plain", "react", "vue", "svelte"]) {
    test(`${name}: a built site counts its visitor and shows who is there`, { timeout: 120_000 }, async (t) => {
      const [all, files] = await Promise.all([shopWithNode(t), installed.build(name)]);
      all.serve(files);
      const page = await openSite(t, `${all.site.origin}/lamp`);
      const output = () => page.locator("output").textContent();
      await untilEqual("what the site computes", output, "1 false", soon);
      assert.equal(await all.users("lamp"), 1);
      if (name === "plain") {
        await untilTexts(page, ["1 open tab"]);
        await untilEqual("its listener", () => page.evaluate(() => document.body.dataset.users), "1", soon);
        const watches = () => page.locator("live-presence-watch").count();
        assert.equal(await watches(), 1);
        await page.click("output");
        await untilEqual("the watch has ended", watches, 0, soon);
      } else {
        await untilTexts(page, ["1 Person"]);
        if (name === "react") await untilEqual("its listener", () => page.evaluate(() => document.body.dataset.users), "1", soon);
        await page.click("button");
        await untilEqual("it follows its room", async () => [await all.users("chair"), await all.users("lamp")], [1, 0], soon);
        await untilEqual("what the site computes", output, "1 false", soon);
      }
      assert.deepEqual(page.complaints, []);
    });
  }

  test("a page neither shows nor hears a watch, whatever its own styles and listeners are for", { timeout: 120_000 }, async (t) => {
    const [all, files] = await Promise.all([shopWithNode(t), installed.build("react")]);
    const head = `<style>live-presence, live-presence-watch, body > * { display: block !important }</style>
      <script>window.heard = new Set();
      for (const name of ["presence:change", "presence:stale"]) document.addEventListener(name, ({ target }) => window.heard.add(target))</script>`;
    all.serve(files, (html) => html.replace("<head>", `<head>${head}`));
    const page = await openSite(t, `${all.site.origin}/lamp`);
    await untilTexts(page, ["1 Person"]);
    await untilEqual("what the site computes", () => page.locator("output").textContent(), "1 false", soon);
    const seen = await page.evaluate(() => [
      document.querySelector("live-presence-watch").checkVisibility(),
      document.querySelectorAll("live-presence").length,
      [...window.heard].map((element) => element.localName),
    ]);
    assert.deepEqual(seen, [false, 1, ["live-presence"]]);
  });

  for (const [name, more, shown] of [["any policy", "", "1 false"], ["no policy", "; trusted-types 'none'", "undefined true"]]) {
    test(`a page that requires trusted types and allows ${name}`, { timeout: 120_000 }, async (t) => {
      const [all, files] = await Promise.all([shopWithNode(t), installed.build("react")]);
      const policy = `script-src 'self' ${all.node.url}; require-trusted-types-for 'script'${more}`;
      all.serve(files, undefined, { "content-security-policy": policy });
      const page = await openSite(t, `${all.site.origin}/lamp`);
      await untilEqual("what the site computes", () => page.locator("output").textContent(), shown, soon);
      const trouble = await page.locator("small").textContent();
      assert.equal(trouble.includes("allow the policy live-presence"), more !== "", trouble);
      if (!more) assert.deepEqual(page.complaints, []);
    });
  }

  test("a script that can't be loaded is said to be missing, and is tried again", { timeout: 120_000 }, async (t) => {
    const [all, files] = await Promise.all([shopWithNode(t), installed.build("react")]);
    all.serve(files);
    let failures = 2;
    const away = (route) => (failures-- > 0 ? route.abort() : route.continue());
    const page = await openSite(t, `${all.site.origin}/lamp`, { routes: { "**/presence.js": away } });
    const output = () => page.locator("output").textContent();
    await untilEqual("no number yet", output, "undefined true", soon);
    await untilEqual("what the site computes", output, "1 false", soon);
    assert.equal(failures, -1);
  });

  test("a server prints what the element, the node and the package agree on, in forty languages", async () => {
    const { numbers, sentences } = JSON.parse(readFileSync(join(root, "crates/presence-server/src/i18n/sentences.json"), "utf8"));
    assert.deepEqual([...server.languages].sort(), Object.keys(sentences).sort());
    for (const [lang, agreed] of Object.entries(sentences)) {
      assert.deepEqual(numbers.map((looking) => server.presenceText({ looking }, { lang })), agreed, lang);
    }
    const counts = { users: 3, looking: 2, tabs: 21 };
    assert.equal(server.presenceText(counts), people(2));
    assert.equal(server.presenceText(counts, { show: "others", lang: "tlh, de-AT;q=0.5" }), "2 weitere Personen");
    assert.equal(server.presenceText(counts, { show: "tabs", lang: "ru" }), "21 открытая вкладка");
    assert.equal(server.presenceText({ users: 0 }, { show: "others" }), "0 others");
  });

  test("the first byte: fetched from a node, printed as HTML, the same sentence as the API's", { timeout: 180_000 }, async (t) => {
    const { site, node } = await shopWithNode(t);
    const room = `${site.host}/lamp`;
    // Node.js does not resolve the names below localhost. A busy machine may take longer than a page should wait.
    const fetched = (room) => server.fetchPresence(`http://127.0.0.1:${node.port}`, room, { signal: AbortSignal.timeout(20_000) });
    const counts = await fetched(room);
    assert.deepEqual([counts.users, counts.looking, counts.tabs], [0, 0, 0]);
    for (const lang of server.languages) {
      for (const show of ["looking", "users", "others", "tabs", "regions", "people"]) {
        const { rooms } = await node.json(`/api/v1/rooms?room=${room}&lang=${lang}&show=${show}`);
        assert.equal(rooms[0].text, server.presenceText(counts, { lang, show }), `${lang} ${show}`);
      }
    }
    assert.equal(await server.fetchPresence("http://127.0.0.1:9", room), undefined);
    assert.equal(await fetched(`${site.host}/private/lamp`), undefined);
    const warn = t.mock.method(console, "warn", () => {});
    for (const wrong of ["/lamps/7", "/lamps/7", "/chairs/3"]) assert.equal(await fetched(wrong), undefined);
    const warnings = warn.mock.calls.map(({ arguments: [, text] }) => text);
    assert.equal(warnings.length, new Set(warnings).size);
    assert.match(warnings[0], /^400 .*host/);
    assert.equal(
      server.presenceElement({ looking: 2 }, { room: `"><b>'&`, hideBelow: 2, lang: "de" }),
      '<live-presence room="&quot;&gt;&lt;b&gt;&#39;&amp;" hide-below="2" lang="de">2 Personen sehen sich das gerade an</live-presence>',
    );
    assert.equal(server.presenceElement({ looking: 1 }, { hideBelow: 2 }), '<live-presence hide-below="2"></live-presence>');
    assert.equal(server.presenceElement(undefined), "<live-presence></live-presence>");
  });
});
