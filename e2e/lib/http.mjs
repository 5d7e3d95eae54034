// Plain HTTP with a chosen Host and a cookie jar, which fetch() does not allow.
import http from "node:http";
import { freePort } from "./ports.mjs";

/** Cookies of one host, as a browser keeps them: the port does not count. */
export class Jar {
  cookies = new Map();

  take(headers) {
    for (const line of headers["set-cookie"] ?? []) {
      const [pair, ...attributes] = line.split(";");
      const [name, ...value] = pair.split("=");
      if (attributes.some((attribute) => /^\s*max-age=0\s*$/i.test(attribute))) this.cookies.delete(name.trim());
      else this.cookies.set(name.trim(), value.join("=").trim());
    }
  }

  header() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }
}

/** One request; `{ status, headers, body }`. */
export function request(port, path, { host, method = "GET", headers = {}, jar, body, timeout = 10_000, address = "127.0.0.1" } = {}) {
  return new Promise((resolve, reject) => {
    const cookie = jar?.header();
    const asked = http.request({
      host: address, port, path, method, agent: false, timeout,
      headers: { host: host ?? `${address}:${port}`, ...(cookie ? { cookie } : {}), ...headers },
    }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => (text += part));
      answer.on("end", () => {
        jar?.take(answer.headers);
        resolve({ status: answer.statusCode, headers: answer.headers, body: text });
      });
      answer.on("error", reject);
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer from ${address}:${port}${path} in ${timeout} ms`)));
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Starts a server on a free port until the end of the test; resolves with the port. */
export async function serve(t, server) {
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return port;
}

/** Handles requests by passing them on to a node, with these headers. */
export function forward(node, headers) {
  return (request, answer) => {
    const back = http.request({ port: node.port, path: request.url, method: request.method, headers: headers(request) }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    back.on("error", () => answer.destroy());
    answer.on("close", () => back.destroy());
    request.pipe(back);
  };
}
