// The mesh in a terminal: a table for scripts, and a screen that is left as it was found.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { BareClient } from "../lib/client.mjs";
import { environment } from "../lib/environment.mjs";
import { Node, apiKey } from "../lib/node.mjs";
import { program } from "../lib/paths.mjs";
import { selfSigned } from "../lib/tls.mjs";
import { until } from "../lib/until.mjs";

const env = environment({ GP_API_KEY: apiKey, TERM: "xterm" });

test("top and facts ask the node on this machine, whatever it listens on and is called, and top needs no key of a node that has none", { timeout: 180_000 }, async (t) => {
  const { key, certificate } = selfSigned(t, "example.org");
  const once = (command, variables) => promisify(execFile)(program, command, { env: environment(variables) });
  for (const [args, variables, more] of [
    [[], { GP_API_KEY: apiKey }, {}],
    [["--trusted-proxy", "127.0.0.1/32"], { GP_API_KEY: apiKey, GP_PUBLIC_URL: "https://example.org,https://www.example.org" }, {}],
    [["--tls-cert", certificate, "--tls-key", key], { GP_API_KEY: apiKey, GP_PUBLIC_URL: "https://example.org", GP_TLS_CERT: certificate }, { listen: "[::1]" }],
    [[], {}, {}],
  ]) {
    const node = await Node.prepare(t, { region: "ams", name: "ams-1", args, env: { GP_API_KEY: "", ...variables, GP_TLS_CERT: undefined } });
    node.options.listen = `${more.listen ?? "127.0.0.1"}:${node.port}`;
    await node.start({ ready: false });
    const of = { ...variables, GP_LISTEN: node.options.listen };
    await once(["health", "--ready", "--within", "20s"], of);
    const { stdout } = await once(["top", "--once"], of);
    assert.match(stdout, /^ams-1 \S+, ready, hears 1 of 1 regions\n[^]*\nams-1 +ams +live /);
    const listed = await once(["facts", "list", "demo"], of).catch((error) => error);
    if (variables.GP_API_KEY) assert.deepEqual([listed.stdout, listed.stderr], ["", ""]);
    else assert.match(listed.stderr, /set GP_API_KEY/);
    if (!variables.GP_API_KEY) assert.equal((await node.get("/metrics", { headers: { via: "1.1 proxy" } })).status, 403, "a proxy is not this machine");
  }
});

test("a certificate that is not accepted is refused in a sentence that says what to do", { timeout: 180_000 }, async (t) => {
  const authority = selfSigned(t, "localhost", { authority: true });
  const [own, named] = [selfSigned(t, "localhost"), selfSigned(t, "example.org")];
  for (const [{ key, certificate }, trusted, says] of [
    [own, named.certificate, /is of an authority that this machine does not trust: .*SSL_CERT_FILE=FILE$/m],
    [authority, authority.certificate, /is an authority's own \(CA:TRUE\).*CA:FALSE$/m],
    [named, named.certificate, /not valid for name "localhost"; certificate is only valid for .*example\.org/],
    [own, own.certificate, undefined],
  ]) {
    const node = await Node.prepare(t, { args: ["--tls-cert", certificate, "--tls-key", key] });
    await node.start({ ready: false });
    const variables = environment({ GP_API_KEY: apiKey, SSL_CERT_FILE: trusted, SSL_CERT_DIR: undefined });
    await promisify(execFile)(program, ["health", "--within", "20s"], { env: { ...variables, GP_LISTEN: `127.0.0.1:${node.port}`, GP_TLS_CERT: certificate } });
    for (const command of [["health"], ["top", "--once"], ["facts", "list", "demo"]]) {
      const ended = await promisify(execFile)(program, [...command, "--url", `https://localhost:${node.port}`], { env: variables }).catch((error) => error);
      if (says) assert.match(ended.stderr, says, command[0]);
      else assert.equal(ended.code, undefined, ended.stderr);
      assert.doesNotMatch(ended.stderr, /CaUsedAsEndEntity|UnknownIssuer|InvalidCertificate|OtherError/);
    }
  }
});

test("top prints a table once, or draws it each second until q is pressed", { timeout: 180_000 }, async (t) => {
  const node = await Node.start(t, { region: "ams", name: "ams-1" });
  await BareClient.join(t, node, { draws: true });
  const { stdout } = await promisify(execFile)(program, ["top", "--once", "--url", node.url], { env });
  assert.match(stdout, /^ams-1 \S+, ready, hears 1 of 1 regions\n1 users, 0 unsure, 1 tabs in all rooms; 1 sockets here\n/);
  assert.match(stdout, /^NODE +REGION +STATE .*\nams-1 +ams +live /m);
  const wrong = await promisify(execFile)(program, ["top", "--once", "--url", node.url], { env: { ...env, GP_API_KEY: "another" } }).catch((error) => error);
  assert.ok(wrong.code === 1 && /401/.test(wrong.stderr), wrong.stderr);
  const piped = await promisify(execFile)(program, ["top", "--url", node.url], { env }).catch((error) => error);
  assert.ok(piped.code === 1 && /write --once/.test(piped.stderr), piped.stderr);

  // A terminal of its own, in which `stty` says afterwards how it was left.
  const child = spawn("script", ["-qefc", `${program} top --url ${node.url}; stty -a`, "/dev/null"], { env, stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (shown += text));
  const ended = new Promise((resolve) => child.on("close", resolve));
  await until("it is drawn on the other screen", () => shown.startsWith("\x1b[?1049h") && shown.includes("1 sockets here"));
  await BareClient.join(t, node, { draws: true });
  await until("it is drawn again", () => shown.includes("2 sockets here"));
  child.stdin.write("q");
  assert.equal(await ended, 0);
  const after = shown.split("\x1b[?25h\x1b[?1049l")[1] ?? assert.fail("the first screen is back");
  assert.match(after, /(?<!-)\bicanon\b/);
  assert.match(after, /(?<!-)\becho\b/);
});
