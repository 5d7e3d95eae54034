// Firefox and WebKit as Debian packages them, beside Chromium: `engine.open(t, url)` opens a page of which tests need only
// `evaluate`, `goto` and `click`. Puppeteer drives Firefox over WebDriver BiDi; WebKit's driver speaks WebDriver over HTTP.
import { spawn } from "node:child_process";
import { once } from "node:events";
import puppeteer from "puppeteer-core";
import { browser, open, visitor } from "./browser.mjs";
import { freePort } from "./ports.mjs";
import { pause, until } from "./until.mjs";

const firefox = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const webkitDriver = process.env.WEBKIT_DRIVER ?? "/usr/bin/WebKitWebDriver";

export const engines = {
  chromium: { open: async (t, url) => open(await visitor(await browser(t)), url) },
  firefox: { open: openFirefox },
  webkit: { open: openWebKit },
};

async function openFirefox(t, url) {
  const running = await puppeteer.launch({ browser: "firefox", executablePath: firefox, headless: true });
  // A Firefox that hangs must not hang the tests.
  t.after(() => Promise.race([running.close(), pause(10_000)]).finally(() => running.process()?.kill("SIGKILL")));
  const page = await running.newPage();
  await page.goto(url);
  return page;
}

/** A process that ends with the test. */
function during(t, command, args, env = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  t.after(() => child.kill("SIGKILL"));
  child.stderr.resume();
  return child;
}

/** A display that no one sees: WebKit has no headless mode. */
async function display(t) {
  const child = during(t, "Xvfb", ["-displayfd", "3", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]);
  const [number] = await once(child.stdio[3], "data", { signal: AbortSignal.timeout(10_000) });
  return `:${String(number).trim()}`;
}

async function openWebKit(t, url) {
  const port = await freePort();
  during(t, webkitDriver, [`--port=${port}`], { DISPLAY: await display(t) });
  const driver = `http://127.0.0.1:${port}`;
  await until("WebKit's driver is ready", async () => (await command(driver, "GET", "/status")).ready, { within: 15_000 });
  const { sessionId } = await command(driver, "POST", "/session", { capabilities: {} });
  const page = new WebDriverPage(`${driver}/session/${sessionId}`);
  t.after(() => page.close().catch(() => {}));
  await page.goto(url);
  return page;
}

async function command(base, method, path, body) {
  const answer = await fetch(base + path, { method, body: body && JSON.stringify(body), signal: AbortSignal.timeout(60_000) });
  const { value } = await answer.json();
  if (!answer.ok) throw new Error(`${path}: ${value.error}: ${value.message}`);
  return value;
}

/** A page over [WebDriver](https://www.w3.org/TR/webdriver2/), with the names that Playwright and Puppeteer have. */
class WebDriverPage {
  constructor(session) {
    this.session = session;
  }

  goto(url) {
    return command(this.session, "POST", "/url", { url });
  }

  /** Runs a function in the page and waits for what it returns or resolves with. */
  evaluate(run, ...args) {
    return command(this.session, "POST", "/execute/sync", { script: `return (${run}).apply(null, arguments)`, args });
  }

  async click(selector) {
    const element = await command(this.session, "POST", "/element", { using: "css selector", value: selector });
    await command(this.session, "POST", `/element/${Object.values(element)[0]}/click`, {});
  }

  close() {
    return command(this.session, "DELETE", "");
  }
}
