// Real browsers: `browser(t)` starts a Chromium, `visitor(browser)` is a person with cookies of their own.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium as playwright } from "playwright-core";
import { folder } from "./node.mjs";
import { chromium } from "./paths.mjs";
import { pause } from "./until.mjs";

const flags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions",
  "--disable-default-apps", "--metrics-recording-only", "--mute-audio",
];

/** One Chromium, ended with the test. `keepsPages` enables the back/forward cache, which tests usually do without. */
export async function browser(t, { keepsPages = false } = {}) {
  const ignoreDefaultArgs = keepsPages ? ["--disable-back-forward-cache"] : [];
  const server = await playwright.launchServer({ executablePath: chromium, headless: true, args: flags, timeout: 60_000, ignoreDefaultArgs });
  // A Chromium that hangs must not hang the tests.
  t.after(() => server.kill());
  return playwright.connect(server.wsEndpoint());
}

/** A Chromium whose user blocks something of all sites, as chrome://settings writes it: "cookies" (and all other site data), "javascript". */
export async function blocking(t, what, options = {}) {
  let context;
  // Closed before its folder is removed; one that hangs must not hang the tests.
  t.after(() => Promise.race([context?.close(), pause(10_000)]));
  const profile = folder(t);
  mkdirSync(join(profile, "Default"));
  writeFileSync(join(profile, "Default/Preferences"), JSON.stringify({ profile: { default_content_setting_values: { [what]: 2 } } }));
  context = await playwright.launchPersistentContext(profile, { executablePath: chromium, headless: true, args: flags, timeout: 60_000, ...options });
  return context;
}

/** A person with cookies of their own. */
export async function visitor(from, options = {}) {
  const context = await from.newContext(options);
  context.setDefaultTimeout(15_000);
  // How long a page loads depends on the machine alone: no test is about it.
  context.setDefaultNavigationTimeout(60_000);
  return context;
}

/** A tab on any page; `complaints` are errors and warnings of its console, and errors of the page. */
export async function open(context, url, waitUntil = "load") {
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  await page.goto(url, { waitUntil });
  return page;
}

/** A tab on a node's page, its socket up and its subscriptions confirmed unless `live` is false. */
export async function tab(context, url, { live = true } = {}) {
  const page = await open(context, url);
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

/** The messages on the wall of this page. */
export function wall(page) {
  return page.locator("#messages-body time").evaluateAll((times) => times.map((time) => time.closest("li").textContent.replace(/\s+/g, " ").trim()));
}
