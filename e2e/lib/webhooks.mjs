// A receiver of webhooks that keeps everything that it is sent.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { serve } from "./http.mjs";

const key = Buffer.alloc(32, 7);
export const secret = `whsec_${key.toString("base64")}`;

/** A receiver that keeps all events and checks every signature; `answer(count)` is the status of each answer. */
export async function receiver(t, { tls, answer = () => 204 } = {}) {
  const told = [];
  const take = (request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts);
      const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = request.headers;
      const expected = `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64")}`;
      assert.equal(signature, expected);
      assert.ok(Math.abs(Number(timestamp) - Date.now() / 1_000) < 30, timestamp);
      const status = answer(told.length);
      told.push({ id, status, headers: { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature }, raw: body.toString(), ...JSON.parse(body) });
      response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {});
      response.end();
    });
  };
  const server = tls ? https.createServer(tls, take) : http.createServer(take);
  const port = await serve(t, server);
  return { told, url: `${tls ? "https" : "http"}://localhost:${port}/hook`, of: (type) => told.filter((event) => event.type === type) };
}

/** What a node needs to tell that receiver. */
export function telling(url, ...args) {
  return { args: ["--webhook-url", url, ...args], env: { GP_WEBHOOK_SECRET: secret } };
}
