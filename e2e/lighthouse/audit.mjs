// Has Lighthouse judge a page, in a Chromium of its own.
import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";
import desktopConfig from "lighthouse/core/config/desktop-config.js";
import { chromium } from "../lib/paths.mjs";

const chromeFlags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];

/**
 * The scores of a page, 0 to 100, as Lighthouse prints them, and what costs points: `{ scores: { seo: 100, … }, faults: [] }`.
 * `form` is "desktop", or "mobile": a slow phone on a slow line.
 */
export async function audit(t, url, form) {
  const chrome = await launch({ chromePath: chromium, chromeFlags });
  t.after(() => chrome.kill());
  const { lhr } = await lighthouse(url, { port: chrome.port, logLevel: "error", disableFullPageScreenshot: true }, form === "desktop" ? desktopConfig : undefined);
  if (lhr.runtimeError) throw new Error(`${lhr.runtimeError.code}: ${lhr.runtimeError.message}`);
  const categories = Object.values(lhr.categories);
  const scores = Object.fromEntries(categories.map(({ id, score }) => [id, Math.round(score * 100)]));
  const costly = categories.flatMap(({ auditRefs }) => auditRefs).filter(({ weight }) => weight > 0).map(({ id }) => lhr.audits[id]);
  const faults = costly.filter(({ score }) => score !== null && score < 1).map(({ id, title, displayValue = "" }) => `${id}: ${title} ${displayValue}`);
  return { scores, faults };
}
