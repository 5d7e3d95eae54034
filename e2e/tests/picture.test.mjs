// The picture that a link to the page is shown with: browsers can read it, and it shows what is so now.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, tab, untilBulb, visitor } from "../lib/browser.mjs";
import { Node } from "../lib/node.mjs";
import { read } from "../lib/page.mjs";
import { until } from "../lib/until.mjs";

test("the picture of the page shows a changed light", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { region: "ams" });
  const page = await tab(await visitor(await browser(t)), node.url);
  const meta = async (name) => read((await node.get("/")).body).document.querySelector(`meta[property="og:${name}"]`).getAttribute("content");
  assert.equal(await meta("image"), `${node.url}/og.png`);
  assert.equal(await meta("url"), `${node.url}/`);

  const address = await meta("image");
  const picture = () => page.evaluate(async (from) => {
    const answer = await fetch(from, { cache: "no-store" });
    const image = await createImageBitmap(await answer.blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(200, 200, 20, 60);
    const glows = data.some((value, at) => at % 4 === 0 && value === 255 && data[at + 1] === 210);
    return { type: answer.headers.get("content-type"), size: [image.width, image.height], glows };
  }, address);
  assert.deepEqual(await picture(), { type: "image/png", size: [1200, 630], glows: false });

  await page.locator("#lightbulb").click();
  await untilBulb(page, true);
  await until("the picture has the light on, too", async () => (await picture()).glows);
});
