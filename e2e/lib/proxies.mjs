// The proxies of deploy/, run by Debian's programs: the shipped files with other ports, addresses and certificates.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import https from "node:https";
import { join } from "node:path";
import { folder } from "./node.mjs";
import { root } from "./paths.mjs";
import { selfSigned } from "./tls.mjs";
import { until } from "./until.mjs";

/** Replaces each text, all of which must be there. */
function replaced(file, changes) {
  let text = readFileSync(join(root, "deploy", file), "utf8");
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`deploy/${file} does not say ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** What each proxy is given and how it is started: `{ files, command }`, by `{ path, port, plainPort, nodes, key, certificate }`. */
export const proxies = {
  nginx: ({ path, port, plainPort, nodes, key, certificate }) => {
    const server = (node) => `server 127.0.0.1:${node.port} max_fails=1 fail_timeout=1s;`;
    const text = replaced("nginx.conf", [
      ["server 127.0.0.1:4000 max_fails=1 fail_timeout=1s;", nodes.map(server).join("\n")],
      ["listen 443", `listen 127.0.0.1:${port}`], ["listen [::]:443 ssl http2;", ""],
      ["listen 80;", `listen 127.0.0.1:${plainPort};`], ["listen [::]:80;", ""],
      ["/etc/ssl/example.org.pem", certificate], ["/etc/ssl/example.org.key", key], ["example.org", "localhost"],
    ]);
    const own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${join(path, name)};`);
    return {
      files: { "nginx.conf": text.replace("http {", `http {\naccess_log off;\n${own.join("\n")}`) },
      command: ["nginx", "-p", path, "-c", join(path, "nginx.conf"), "-e", "stderr", "-g", `daemon off; pid ${join(path, "pid")};`],
    };
  },
  haproxy: ({ path, port, plainPort, nodes, key, certificate }) => {
    const server = (node, place) => `server node${place} 127.0.0.1:${node.port} check inter 1s fall 1 rise 1`;
    const text = replaced("haproxy.cfg", [
      ["server node1 127.0.0.1:4000 check inter 1s fall 1 rise 1", nodes.map(server).join("\n    ")],
      ["bind :::443 v4v6", `bind 127.0.0.1:${port}`], ["bind :::80 v4v6", `bind 127.0.0.1:${plainPort}`],
      ["/etc/haproxy/example.org.pem", join(path, "both.pem")], ["maxconn 100000", "maxconn 1000"],
    ]);
    return {
      files: { "haproxy.cfg": text, "both.pem": readFileSync(certificate, "utf8") + readFileSync(key, "utf8") },
      command: ["haproxy", "-db", "-f", join(path, "haproxy.cfg")],
    };
  },
  caddy: ({ path, port, plainPort, nodes, key, certificate }) => {
    const text = replaced("Caddyfile", [
      ["127.0.0.1:4000", nodes.map((node) => `127.0.0.1:${node.port}`).join(" ")],
      ["example.org {", `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${certificate} ${key}`],
    ]);
    return {
      files: { Caddyfile: `{\n\tadmin off\n\thttp_port ${plainPort}\n}\n${text}` },
      command: ["caddy", "run", "--adapter", "caddyfile", "--config", join(path, "Caddyfile")],
      env: { HOME: path, XDG_DATA_HOME: path, XDG_CONFIG_HOME: path },
    };
  },
};

/** Starts the proxy of this name before nodes, on ports that were chosen; resolves with what it has logged, a function. */
export async function startProxy(t, name, { port, plainPort, nodes }) {
  const path = folder(t);
  const { files, command: [program, ...args], env } = proxies[name]({ path, port, plainPort, nodes, ...selfSigned(t, "localhost") });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  const child = spawn(program, args, { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin`, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.setEncoding("utf8").on("data", (text) => (log += text));
  const ended = new Promise((resolve) => child.on("error", (error) => resolve((log += error.message))).on("close", resolve));
  t.after(() => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
    return ended.then(() => clearTimeout(timer));
  });
  await until(`${name} serves`, async () => {
    if (child.exitCode !== null) throw new Error("it ended");
    return (await askSecurely(port, "/readyz")).status === 200;
  }, { within: 15_000 }).catch((error) => {
    throw new Error(`${error.message}\n${log.slice(-2_000)}`);
  });
  return () => log;
}

/** One request over TLS, whoever signed the certificate; `{ status, headers, body }`. `from` is the address of this end. */
export function askSecurely(port, path, { headers = {}, from } = {}) {
  return new Promise((resolve, reject) => {
    const asked = https.request({ port, host: "127.0.0.1", servername: "localhost", path, localAddress: from, agent: false, rejectUnauthorized: false, timeout: 5_000,
      headers: { host: `localhost:${port}`, ...headers } }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (part) => (body += part)).on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body }));
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer in 5 s"))).on("error", reject).end();
  });
}

/** Opens an event stream over TLS; its text so far is in `text`. */
export function openEvents(t, port, path, headers) {
  const stream = { text: "", status: undefined };
  const asked = https.request({ port, host: "127.0.0.1", servername: "localhost", path, agent: false, rejectUnauthorized: false,
    headers: { host: `localhost:${port}`, accept: "text/event-stream", ...headers } }, (answer) => {
    stream.status = answer.statusCode;
    answer.setEncoding("utf8").on("data", (part) => (stream.text += part)).on("error", () => {});
  });
  asked.on("error", () => {}).end();
  t.after(() => asked.destroy());
  return stream;
}
