// Sites made with React, Vue, Svelte, Preact, Lit and Turbo, and pages of a server, as docs/embedding.md says.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { build, openSite, packaged, shopWithNode, sources, untilTexts } from "../lib/frameworks.mjs";
import { root } from "../lib/paths.mjs";
import { watchCounts } from "../lib/rooms.mjs";
import { embedding, people, shown, untilShown } from "../lib/shop.mjs";
import { untilEqual } from "../lib/until.mjs";

const soon = { within: 10_000 };

/** What every framework does to an element: it sets properties, changes the address, takes the element out. */
async function drive(page, { users }) {
  await untilTexts(page, [people(1)]);
  await untilEqual("it is in the page's room", () => users("lamp"), 1, soon);
  await page.click("#room");
  await untilEqual("it follows its room", async () => [await users("another"), await users("lamp")], [1, 0], soon);
  await page.click("#private");
  await untilEqual("it follows its token", () => page.locator("live-presence").evaluate((element) => element.counts?.users), 1, soon);
  await untilEqual("and left the room before", () => users("another"), 0, soon);
  await page.click("#tabs");
  await untilTexts(page, ["1 open tab"]);
  await untilEqual("a room that is taken away is the page's again", () => users("lamp"), 1, soon);
  await page.click("a");
  await page.waitForURL("**/chair");
  await untilEqual("it follows the address", async () => [await users("chair"), await users("lamp")], [1, 0], soon);
  await page.click("#here");
  await untilEqual("without the element no one is there", () => users("chair"), 0, soon);
  await page.click("#here");
  await untilTexts(page, ["1 open tab"]);
  assert.deepEqual(page.complaints, []);
}

test("what the documents tell developers to write is what the sites are made of", { timeout: 180_000 }, async () => {
  const section = (file, title) => readFileSync(join(root, file), "utf8").split(`## ${title}\n`)[1].split("\n## ")[0];
  const texts = readdirSync(sources, { recursive: true }).filter((path) => !path.includes("node_modules") && /\.(html|jsx?|ts|vue|svelte)$/.test(path))
    .map((path) => readFileSync(join(sources, path), "utf8").replaceAll(/\s+/g, " "));
  const written = section("docs/embedding.md", "In React, Vue, Svelte and others") + section("docs/signing.md", "In a page that is open already");
  const blocks = [...written.matchAll(/^```\w+\n([^]*?)^```$/gm), ...written.matchAll(/^`` html`(.*)` ``/gm)].map(([, block]) => block.replaceAll(/\s+/g, " ").trim());
  assert.equal(blocks.length, 9);
  for (const block of blocks) assert.ok(texts.some((text) => text.includes(block)), block);
});

// These tests mostly wait, since a visitor still counts for two seconds after leaving.
describe("sites", { concurrency: 3 }, () => {
  test("react: the declaration for TypeScript", { timeout: 180_000 }, async () => {
    const options = ["--noEmit", "--strict", "--jsx", "react-jsx", "--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022"];
    await packaged("tsc", [...options, "react/typed.tsx", "react/live-presence.d.ts"]);
  });

  for (const name of ["react", "vue", "svelte", "preact", "lit"]) {
    test(`${name}: a production build, which runs before the element's script has arrived`, { timeout: 120_000 }, async (t) => {
      const [all, files] = await Promise.all([shopWithNode(t), build(t, name)]);
      all.serve(files);
      await drive(await openSite(t, `${all.site.origin}/lamp`, { late: "**/presence.js", after: "live-presence" }), all);
    });
  }

  for (const mode of ["production", "development"]) {
    test(`react: printed by a server, then taken over, without a warning (${mode})`, { timeout: 120_000 }, async (t) => {
      const all = await shopWithNode(t);
      const files = await build(t, "react", { mode });
      const server = await build(t, "react", { mode, args: ["--ssr", "server.jsx"] });
      const { render } = await import(pathToFileURL(join(server, "server.js")));
      all.serve(files, (html, path) => html.replace('<div id="root">', `<div id="root" data-printed="${people(7)}">${render(path, people(7))}`));
      // React comes to an element that has attributes of its own.
      const page = await openSite(t, `${all.site.origin}/lamp`, { late: "**/assets/*.js", after: "live-presence[data-identity]" });
      assert.equal(await page.locator("live-presence").textContent(), people(7));
      await drive(page, all);
    });
  }

  test("vue: no warning in a development build", { timeout: 180_000 }, async (t) => {
    const [all, files] = await Promise.all([shopWithNode(t), build(t, "vue", { mode: "development" })]);
    all.serve(files);
    const page = await openSite(t, `${all.site.origin}/lamp`);
    await untilTexts(page, [people(1)]);
    assert.deepEqual(page.complaints, []);
  });

  test("turbo: a visit changes the room, and a page that is morphed keeps its element", { timeout: 180_000 }, async (t) => {
    const [all, files] = await Promise.all([shopWithNode(t), build(t, "turbo")]);
    all.serve(files);
    const page = await openSite(t, `${all.site.origin}/lamp`);
    await untilTexts(page, [people(1), ""]);
    await page.evaluate(() => (window.same = true));
    await page.click("a[href='/chair']");
    await untilEqual("it is where the visitor went", async () => [await all.users("chair"), await all.users("lamp")], [1, 0], soon);
    await page.click("a[href='/lamp']");
    await untilEqual("and back", async () => [await all.users("chair"), await all.users("lamp")], [0, 1], soon);
    await untilTexts(page, [people(1), ""]);

    const counts = watchCounts(t, all.node, `${all.site.host}/lamp`);
    await page.evaluate(() => {
      window.elements = [...document.querySelectorAll("live-presence")];
      window.morphs = 0;
      document.addEventListener("turbo:morph", () => (window.morphs += 1));
      window.Turbo.session.refresh(location.href);
    });
    await untilEqual("the page was morphed", () => page.evaluate(() => window.morphs), 1, soon);
    await untilTexts(page, [people(1), ""]);
    const kept = await page.evaluate(() => [window.same, ...document.querySelectorAll("live-presence")].map((element, place) => element === [true, ...window.elements][place]));
    assert.deepEqual(kept, [true, true, true]);
    assert.deepEqual([...new Set(counts.values().map(({ users }) => users))], [1]);
    assert.deepEqual(page.complaints, []);
  });

  for (const [name, file, morph] of [
    ["idiomorph", "idiomorph/dist/idiomorph.js", "Idiomorph.morph(document.body, html, { morphStyle: 'innerHTML' })"],
    ["morphdom", "morphdom/dist/morphdom-umd.js", "morphdom(document.body, `<body>${html}</body>`)"],
  ]) {
    test(`${name}: what the element shows outlives a morph`, { timeout: 60_000 }, async (t) => {
      const { site, node } = await shopWithNode(t);
      const printed = `<p>No morph yet</p><live-presence hide-below="2">1 person</live-presence><live-presence>${people(7)}</live-presence>`;
      site.put("/morph.js", readFileSync(join(sources, "node_modules", file), "utf8"), { "content-type": "text/javascript" });
      const page = await openSite(t, site.put("/lamp", embedding(node, { element: printed, head: '<script src="/morph.js"></script>', around: (text) => text.replace("<h1>A lamp</h1>", "") })));
      await untilShown(page, ["", people(1)]);
      const counts = watchCounts(t, node, `${site.host}/lamp`);
      // No frame is drawn between the morph and this look at it.
      const seen = await page.evaluate(`(() => {
        const before = [...document.querySelectorAll("live-presence")];
        const html = \`<p>Morphed</p>${printed.replace(/^<p>.*?<\/p>/, "").replace("7 people", "8 people")}\`;
        ${morph};
        const after = [...document.querySelectorAll("live-presence")];
        return [after.every((element, place) => element === before[place]), document.querySelector("p").textContent, ...after.map((element) => getComputedStyle(element).display),
          getComputedStyle(after[1].shadowRoot.querySelector("[part=dot]")).display];
      })()`);
      assert.deepEqual(seen, [true, "Morphed", "none", "inline", "none"]);
      await page.waitForSelector("live-presence[data-below][data-identity]", { state: "attached" });
      await page.waitForSelector("live-presence[data-printed]:not([data-below])");
      assert.deepEqual(await shown(page), ["", people(1)]);
      assert.deepEqual([...new Set(counts.values().map(({ users }) => users))], [1]);
      assert.deepEqual(page.complaints, []);
    });
  }

  test("a server prints the number into its pages, between which the visitor goes", { timeout: 180_000 }, async (t) => {
    const { site, node, users } = await shopWithNode(t);
    let printed;
    for (const [path, link] of [["/lamp", "/chair"], ["/chair", "/lamp"]]) {
      site.put(path, () => embedding(node, { element: `<a href="${link}">On</a> <live-presence>${printed}</live-presence>` }).replace("<script", "<script async"));
    }
    const print = async (room) => (printed = people((await node.json(`/api/v1/rooms?room=${site.host}/${room}`)).rooms[0].looking));
    await print("lamp");
    const page = await openSite(t, `${site.origin}/lamp`);
    assert.equal(await page.locator("live-presence").textContent(), people(0));
    await untilShown(page, people(1));
    await print("chair");
    await page.click("a");
    await page.waitForURL("**/chair");
    await untilShown(page, people(1));
    await untilEqual("it moved", async () => [await users("chair"), await users("lamp")], [1, 0], { within: 15_000 });
    assert.deepEqual(page.complaints, []);
  });
});
