// Another site: pages on a host of its own that embed a node's numbers.
import http from "node:http";
import { serve } from "./http.mjs";
import { untilEqual } from "./until.mjs";

/**
 * A site at `origin`. `put(path, html, headers)` adds a page for every query; `requests` are those that it got.
 */
export async function shop(t, { host = "shop.localhost" } = {}) {
  const pages = new Map();
  const requests = [];
  const server = http.createServer((request, answer) => {
    const url = new URL(request.url, `http://${host}`);
    requests.push(url);
    const page = pages.get(url.pathname);
    if (url.pathname === "/favicon.ico") return void answer.writeHead(204).end();
    if (!page) return void answer.writeHead(404).end();
    answer.writeHead(200, { "content-type": "text/html; charset=utf-8", ...page.headers });
    answer.end(typeof page.html === "function" ? page.html(url) : page.html);
  });
  const port = await serve(t, server);
  const origin = `http://${host}:${port}`;
  return {
    origin, requests, host: `${host}:${port}`,
    put: (path, html, headers = {}) => {
      pages.set(path, { html, headers });
      return origin + path;
    },
    site: ["--site", origin],
  };
}

/** A page with the two lines that embed the element. */
export function embedding(node, { element = "<live-presence></live-presence>", head = "", around = (text) => text } = {}) {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>A lamp</title>${head}</head>
<body><h1>A lamp</h1>
${around(`<script type="module" src="${node.url}/presence.js"></script>
${element}`)}
</body></html>`;
}

/** The text of the elements of a page, as they show it now. */
export function shown(page) {
  return page.evaluate(() => [...document.querySelectorAll("live-presence")].map((element) => {
    const seen = element.checkVisibility() ? element.shadowRoot.querySelector("[part=line]") : undefined;
    return seen?.textContent.replace(/\s+/g, " ").trim() ?? "";
  }));
}

/** A page's elements show what they should, soon: one text for each. */
export function untilShown(page, expected, options) {
  const wanted = [expected].flat();
  return untilEqual(`the page shows ${JSON.stringify(wanted)}`, () => shown(page), wanted, { within: 15_000, ...options });
}

/** The text of an element for this number of people. */
export function people(number) {
  return number === 1 ? "1 person is looking at this" : `${number} people are looking at this`;
}
