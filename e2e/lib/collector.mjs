// An OpenTelemetry collector that keeps every span that it is sent.
import http from "node:http";
import { serve } from "./http.mjs";

/** The attributes of a resource or a span, by key. */
function named(attributes) {
  const value = (one) => one.stringValue ?? one.boolValue ?? one.arrayValue.values.map(value);
  return Object.fromEntries(attributes.map(({ key, value: one }) => [key, value(one)]));
}

/** A collector; `spans` has each span with the attributes of its node as `node`, `bodies` what was sent as text. */
export async function collector(t) {
  const spans = [];
  const bodies = [];
  const keys = new Set();
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString();
      bodies.push(body);
      keys.add(request.headers["x-key"]);
      for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
        for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
          spans.push({ ...span, node: named(resource.attributes), attributes: named(span.attributes) });
        }
      }
      response.writeHead(request.url === "/v1/traces" ? 200 : 404, { "content-type": "application/json" }).end("{}");
    });
  });
  return { spans, bodies, keys, url: `http://127.0.0.1:${await serve(t, server)}` };
}
