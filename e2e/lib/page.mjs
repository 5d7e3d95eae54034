// Reads a served page without a browser.
import { parseHTML } from "linkedom";

export function read(html) {
  const { document } = parseHTML(html);
  const text = (selector) => document.querySelector(selector)?.textContent.replace(/\s+/g, " ").trim();
  return {
    document,
    text,
    number: (selector) => Number(text(selector)?.match(/\d+/)?.[0]),
    on: document.querySelector("#lightbulb").classList.contains("on"),
    messages: [...document.querySelectorAll("#messages-body li")].filter((entry) => entry.querySelector("time")).map((entry) => ({
      text: entry.textContent.replace(/\s+/g, " ").trim(),
      user: entry.textContent.match(/#([0-9A-F]{8})/)?.[1],
      at: entry.querySelector("time").getAttribute("datetime"),
      html: entry.outerHTML,
    })),
    colour: document.querySelector("[data-colour]")?.getAttribute("data-colour"),
  };
}
