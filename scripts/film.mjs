// Films the page in three regions at once, while clicks cross the map, as the README's first picture: `make film`
// writes docs/images/page.webp.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browser, tab, text, visitor } from "../e2e/lib/browser.mjs";
import { Node, allHearAll } from "../e2e/lib/node.mjs";
import { root } from "../e2e/lib/paths.mjs";
import { pause, until } from "../e2e/lib/until.mjs";

const film = join(root, "docs/images/page.webp");
const BYTES_MAX = 2_000_000;
const FRAME_MS = 50;
/** Times the delay of the real distance, so that an eye can follow: the caption says so. */
const SLOWER = 5;
const CAPTION = "One page in three regions, and a click that crosses the ocean: here at a fifth of its real speed.";
/** The size of a page, in the film too. */
const PAGE = { width: 350, height: 576 };

/** The distance in ms, one way, as `world` has it. */
const DELAYS = [["yyz", "ams", 45], ["yyz", "maa", 100], ["ams", "maa", 59]];
const REGIONS = [["yyz", "Toronto"], ["ams", "Amsterdam"], ["maa", "Chennai"]];
/** What is not in the film: only the bulb and the map are. */
const STYLE = `
  .skip, .head, .foot, .stage .text, main > :nth-child(n + 3), main > section:nth-child(2) > :not(.map, #arrivals) { display: none }
  main > section { margin-block: 0 } body { padding-bottom: 100vh }
  .stage { display: flex; justify-content: center; min-height: 0; padding-block: 0 12px; margin-bottom: 12px }
  ::-webkit-scrollbar { display: none }`;

/** When which page clicks the bulb, in ms. */
const CLICKS = [[1_200, 0], [5_200, 2]];
const END_MS = 9_000;
/** How long the pointer is on its way to the bulb. */
const POINTER_MS = 700;

/** Notes what is to be undone at the end, as a test does. */
const undo = [];
const t = { after: (last) => undo.unshift(last) };

async function regions() {
  const nodes = await Promise.all(REGIONS.map(([region]) => Node.prepare(t, { region, mesh: true, host: `${region}.localhost` })));
  const node = (region) => nodes.find((one) => one.region === region);
  for (const one of nodes) {
    const delays = DELAYS.filter((pair) => pair.includes(one.region)).map(([from, to, ms]) => [node(from === one.region ? to : from), ms]);
    one.options.peers = delays.map(([other]) => other);
    one.options.args = delays.flatMap(([other, ms]) => ["--mesh-delay", `${other.meshAddress}=${ms * SLOWER}`]);
  }
  await Promise.all(nodes.map((one) => one.start()));
  await allHearAll(nodes);
  return node;
}

/** A page whose frames are kept from now on: `{ page, bulb, frames: [{ at, image }] }`. */
async function filmed(chromium, node) {
  const context = await visitor(chromium, { viewport: PAGE, bypassCSP: true });
  const page = await tab(context, node.url);
  await page.addStyleTag({ content: STYLE });
  await page.locator("#light").evaluate((light) => scrollTo(0, light.getBoundingClientRect().top + scrollY - 12));
  const frames = [];
  const session = await context.newCDPSession(page);
  session.on("Page.screencastFrame", ({ data, metadata, sessionId }) => {
    frames.push({ at: metadata.timestamp * 1_000, image: `data:image/png;base64,${data}` });
    session.send("Page.screencastFrameAck", { sessionId }).catch(() => {});
  });
  const { x, y, width, height } = await page.locator("#lightbulb").boundingBox();
  return { page, session, frames, bulb: { x: x + width / 2, y: y + height / 2 } };
}

/** Films all pages while the clicks are made. Returns when it began. */
async function record(pages) {
  await Promise.all(pages.map(({ session }) => session.send("Page.startScreencast", { format: "png" })));
  await until("all pages are filmed", () => pages.every(({ frames }) => frames.length > 0));
  const began = Date.now();
  for (const [at, number] of CLICKS) {
    await pause(began + at - Date.now());
    const { page, bulb } = pages[number];
    await page.mouse.click(bulb.x, bulb.y);
  }
  await pause(began + END_MS - Date.now());
  await Promise.all(pages.map(({ session }) => session.send("Page.stopScreencast")));
  return began;
}

/** The page that shows the others side by side. */
async function stage(chromium) {
  const viewport = { width: REGIONS.length * (PAGE.width + 16) + 16, height: PAGE.height + 92 };
  const page = await (await visitor(chromium, { viewport })).newPage();
  const panels = REGIONS.map(([, name]) => `<figure><figcaption>${name}</figcaption><div><img alt=""><svg viewBox="0 0 24 24"><path d="M4 2l16 11-7 1 4 7-3 1-4-7-6 5z"/></svg></div></figure>`);
  await page.setContent(`<!doctype html><style>
    body { margin: 16px; font: 15px/1.4 system-ui, sans-serif; color: #333; background: #fff }
    main { display: flex; gap: 16px } figure { margin: 0 } figcaption { padding: 5px 10px; background: #ddd; border-radius: 8px 8px 0 0 }
    div { position: relative; width: ${PAGE.width}px; height: ${PAGE.height}px; outline: 1px solid #ddd; overflow: hidden }
    img { width: 100%; display: block } p { margin: 8px 0 0; text-align: center }
    svg { position: absolute; width: 26px; fill: #111; stroke: #fff; stroke-width: 1.5 }
  </style><main>${panels.join("")}</main><p>${CAPTION}</p>`);
  return page;
}

/** Where the pointers are: each is on its way to the bulb before its click, and rests there for a moment. */
function pointers(pages, ms) {
  return pages.map(({ bulb }, number) => {
    const click = CLICKS.find(([at, who]) => who === number && ms > at - POINTER_MS && ms < at + 1_200);
    if (!click) return undefined;
    const left = Math.max(0, (click[0] - ms) / POINTER_MS);
    return { x: bulb.x + 120 * left, y: bulb.y + 180 * left };
  });
}

/** Draws the film's frames from those of the pages: `[{ image, ms }]`, equal ones only once. */
async function draw(page, pages, began) {
  const drawn = [];
  for (let ms = 0; ms < END_MS; ms += FRAME_MS) {
    const images = pages.map(({ frames }) => frames.findLast(({ at }) => at <= began + ms) ?? frames[0]).map(({ image }) => image);
    await page.evaluate(async ([images, pointers]) => {
      const all = [...document.querySelectorAll("img")];
      for (const [number, img] of all.entries()) img.src = images[number];
      for (const [number, { style }] of document.querySelectorAll("svg").entries()) {
        const at = pointers[number];
        Object.assign(style, at ? { display: "block", left: `${at.x}px`, top: `${at.y}px` } : { display: "none" });
      }
      await Promise.all(all.map((img) => img.decode()));
    }, [images, pointers(pages, ms)]);
    const image = await page.screenshot();
    const last = drawn.at(-1);
    if (last?.image.equals(image)) last.ms += FRAME_MS;
    else drawn.push({ image, ms: FRAME_MS });
  }
  return drawn;
}

function encode(frames) {
  const folder = mkdtempSync(join(tmpdir(), "film-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const parts = frames.flatMap(({ image, ms }, number) => {
    const file = join(folder, `${String(number).padStart(3, "0")}.png`);
    writeFileSync(file, image);
    return ["-d", String(ms), file];
  });
  mkdirSync(join(root, "docs/images"), { recursive: true });
  execFileSync("img2webp", ["-loop", "0", "-lossy", "-q", "88", "-m", "6", "-min_size", ...parts, "-o", film]);
}

/** Installs `img2webp` where it is missing. */
function prepare() {
  try {
    execFileSync("img2webp", ["-version"], { stdio: "ignore" });
  } catch {
    const asRoot = process.getuid() === 0 ? [] : ["sudo"];
    const [command, ...args] = [...asRoot, "apt-get", "install", "-q", "-y", "--no-install-recommends", "webp"];
    execFileSync(command, args, { stdio: "inherit" });
  }
}

try {
  prepare();
  const [node, chromium] = [await regions(), await browser(t)];
  const pages = await Promise.all(REGIONS.map(([region]) => filmed(chromium, node(region))));
  await until("all see all", async () => (await text(pages[0].page, "#headcount")).startsWith("3 "), { within: 20_000 });
  const began = await record(pages);
  const frames = await draw(await stage(chromium), pages, began);
  encode(frames);
  const { size } = statSync(film);
  if (size > BYTES_MAX) throw new Error(`${film} has ${size} bytes: at most ${BYTES_MAX} are allowed`);
  console.log(`${film}: ${frames.length} frames, ${size} bytes`);
} finally {
  for (const last of undo) await last();
}
