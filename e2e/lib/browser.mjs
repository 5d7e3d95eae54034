// Real Chromiums: `browser(t)` starts one, `visitor(browser)` is a person with cookies of their own.
import { chromium as playwright } from "playwright-core";
import { chromium } from "./paths.mjs";

export const flags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions",
  "--disable-default-apps", "--metrics-recording-only", "--mute-audio",
];

/** One Chromium, ended with the test. `keepsPages`: with the back/forward cache that people have, and tests usually not. */
export async function browser(t, { keepsPages = false } = {}) {
  const ignoreDefaultArgs = keepsPages ? ["--disable-back-forward-cache"] : [];
  const server = await playwright.launchServer({ executablePath: chromium, headless: true, args: flags, timeout: 60_000, ignoreDefaultArgs });
  // A Chromium that hangs must not hang the tests.
  t.after(() => server.kill());
  return playwright.connect(server.wsEndpoint());
}

/** A person with cookies of their own; `complaints` are what the console and the page's errors said. */
export async function visitor(from, options = {}) {
  const context = await from.newContext(options);
  context.setDefaultTimeout(15_000);
  return context;
}

/** A tab on a node's page, its socket up and its subscriptions confirmed unless `live` is false. */
export async function tab(context, url, { live = true } = {}) {
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.complaints.push(message.text());
  });
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  await page.goto(url, { waitUntil: "load" });
  if (live) await connected(page);
  return page;
}

/** Resolves when the page says that it is connected. */
export function connected(page, timeout = 15_000) {
  return page.waitForSelector("body.stimulus-reflex-connected", { timeout, state: "attached" });
}

/** The text of an element, whitespace folded. */
export async function text(page, selector) {
  return (await page.locator(selector).first().textContent()).replace(/\s+/g, " ").trim();
}

/** The first number in an element's text. */
export async function number(page, selector) {
  const found = (await text(page, selector)).replace(/[,\u202f\u00a0](?=\d{3})/g, "").match(/\d+/);
  return found ? Number(found[0]) : undefined;
}

/** Whether the bulb is on. */
export function isOn(page) {
  return page.locator("#lightbulb").evaluate((bulb) => bulb.classList.contains("on"));
}

/** Resolves when the bulb of this page is as said. */
export function untilBulb(page, on, timeout = 5_000) {
  return page.waitForFunction((wanted) => document.querySelector("#lightbulb").classList.contains("on") === wanted, on, { timeout, polling: 10 });
}
