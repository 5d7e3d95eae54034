// TLS for browsers: certificates, and a load balancer that shows one. Some cookies are taken from nothing else.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { join } from "node:path";
import { folder } from "./node.mjs";
import { freePort } from "./ports.mjs";

/** What a node needs to be told to believe that proxy. */
export const behindTls = ["--trusted-proxy", "127.0.0.1/32"];

/** Files with a certificate that nobody knows, and its key. */
export function selfSigned(t, name) {
  const path = folder(t);
  const [key, certificate] = [join(path, "key.pem"), join(path, "certificate.pem")];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
    "-subj", `/CN=${name}`, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  return { key, certificate };
}

/** The URL of an address over TLS for a node, as a load balancer gives it one. */
export async function tlsProxy(t, node) {
  const { key, certificate } = selfSigned(t, node.host);
  const port = await freePort();
  const host = `${node.host}:${port}`;
  const headers = (request) => ({ ...request.headers, host, "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7" });
  const server = https.createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, answer) => {
    const back = http.request({ port: node.port, path: request.url, method: request.method, headers: headers(request) }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    back.on("error", () => answer.destroy());
    answer.on("close", () => back.destroy());
    request.pipe(back);
  });
  server.on("upgrade", (request, front) => {
    const back = net.connect(node.port, "127.0.0.1");
    const lines = Object.entries(headers(request)).map(([name, value]) => `${name}: ${value}\r\n`);
    back.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    for (const end of [front, back]) end.on("error", () => [front, back].forEach((each) => each.destroy()));
    front.pipe(back).pipe(front);
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://${host}`;
}
