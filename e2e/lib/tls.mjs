// TLS for browsers: certificates, and a load balancer with one. Browsers accept some cookies only over TLS.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import { join } from "node:path";
import { forward, serve } from "./http.mjs";
import { folder } from "./node.mjs";

/** Arguments by which a node trusts that proxy. */
export const behindTls = ["--trusted-proxy", "127.0.0.1/32"];

/** Files of a self-signed certificate and its key, good for this many days. `authority`: it may sign others, and serve none. */
export function selfSigned(t, name, { days = 1, authority = false } = {}) {
  const path = folder(t);
  const [key, certificate] = [join(path, "key.pem"), join(path, "certificate.pem")];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", String(days), "-subj", `/CN=${name}`,
    "-addext", `subjectAltName=DNS:${name}`, "-addext", `basicConstraints=critical,CA:${authority ? "TRUE" : "FALSE"}`, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  return { key, certificate };
}

/** A load balancer that ends TLS for a node; resolves with its URL. */
export async function tlsProxy(t, node) {
  const { key, certificate } = selfSigned(t, node.host);
  let host;
  const headers = (request) => ({ ...request.headers, host, "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7" });
  const server = https.createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, forward(node, headers));
  server.on("upgrade", (request, front) => {
    const back = net.connect(node.port, "127.0.0.1");
    const lines = Object.entries(headers(request)).map(([name, value]) => `${name}: ${value}\r\n`);
    back.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    for (const end of [front, back]) end.on("error", () => [front, back].forEach((each) => each.destroy()));
    front.pipe(back).pipe(front);
  });
  host = `${node.host}:${await serve(t, server)}`;
  return `https://${host}`;
}
