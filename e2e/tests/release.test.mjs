// What `make release` writes, from the program of the tests: it is whole, and the Debian package can be installed, used and removed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { deb } from "../../scripts/deb.mjs";
import { release } from "../../scripts/release.mjs";
import { environment } from "../lib/environment.mjs";
import { Node, apiKey, folder, secret } from "../lib/node.mjs";
import { program } from "../lib/paths.mjs";

/** A system with nothing but Debian's list of packages; `dpkg` works on it. */
function emptySystem(t) {
  const path = folder(t);
  for (const name of ["info", "updates", "triggers"]) mkdirSync(join(path, "var/lib/dpkg", name), { recursive: true });
  for (const name of ["status", "available"]) writeFileSync(join(path, "var/lib/dpkg", name), "");
  const dpkg = (...args) => execFileSync("unshare", ["--user", "--map-root-user", "dpkg", `--root=${path}`, "--log=/dev/null",
    "--force-script-chrootless", "--force-depends", "--force-confold", ...args], { encoding: "utf8", stdio: "pipe", env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } });
  return { path, dpkg };
}

test("a release has the program, its manual, its package, what is in it, the licences of that, and checksums", { timeout: 180_000 }, (t) => {
  const dist = join(folder(t), "dist");
  release(program, dist);
  const files = readdirSync(dist);
  assert.equal(files.length, 9, files.join());
  // Each shell reads its own; man renders the page, with every option of a node.
  for (const shell of ["bash", "zsh", "fish"]) {
    const script = readFileSync(join(dist, `global-presence.${shell}`), "utf8");
    for (const word of ["facts", "public-url", "--", "export"]) assert.ok(script.includes(word), `${shell}: ${word}`);
  }
  execFileSync("bash", ["-n", join(dist, "global-presence.bash")], { stdio: "pipe" });
  const page = readFileSync(join(dist, "global-presence.1"), "utf8");
  assert.ok(/^\.TH global-presence 1/m.test(page) && page.includes("access\\-log"), page.slice(0, 500));
  execFileSync("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: dist, stdio: "pipe" });
  const { components, bomFormat } = JSON.parse(readFileSync(join(dist, "sbom.cdx.json"), "utf8"));
  assert.equal(bomFormat, "CycloneDX");
  const named = (name) => components.find((component) => component.name === name);
  for (const name of ["tokio", "quinn", "redb", "presence-core", "stimulus_reflex", "cable_ready"]) assert.ok(named(name)?.version, name);
  for (const name of ["proptest", "reqwest", "presence-bench"]) assert.equal(named(name), undefined, `${name} is not in the program`);
  assert.match(named("tokio").hashes[0].content, /^[0-9a-f]{64}$/);
  assert.ok(components.every(({ licenses }) => licenses.length === 1));
  assert.match(readFileSync(join(dist, "THIRD-PARTY-LICENCES.txt"), "utf8"), /^tokio [\d.]+: MIT\n\nMIT License/m);
});

test("the package is installed, upgraded, used and removed", { timeout: 180_000 }, async (t) => {
  const [made, { path, dpkg }] = [folder(t), emptySystem(t)];
  dpkg("--install", deb(program, "0.1.0", made));
  const options = join(path, "etc/global-presence/env");
  assert.equal(statSync(options).mode & 0o777, 0o600);
  const filled = readFileSync(options, "utf8").replace("GP_SECRET=", `GP_SECRET=${secret}`).replace("GP_API_KEY=", `GP_API_KEY=${apiKey}`);
  writeFileSync(options, filled);
  for (const name of ["nginx.conf", "haproxy.cfg", "Caddyfile", "prometheus/rules.yml", "prometheus/alertmanager.yml", "grafana/dashboard.json"]) {
    assert.ok(existsSync(join(path, "usr/share/doc/global-presence/examples", name)), name);
  }
  for (const name of ["man/man1/global-presence.1.gz", "man/man1/global-presence-facts-export.1.gz", "bash-completion/completions/global-presence", "zsh/vendor-completions/_global-presence", "fish/vendor_completions.d/global-presence.fish"]) {
    assert.ok(existsSync(join(path, "usr/share", name)), name);
  }
  dpkg("--install", deb(program, "0.2.0", made));
  assert.equal(readFileSync(options, "utf8"), filled, "an upgrade keeps what the operator wrote");
  assert.match(dpkg("--status", "global-presence"), /^Status: install ok installed\n[^]*^Version: 0\.2\.0$/m);

  const installed = join(path, "usr/bin/global-presence");
  const node = await Node.start(t, { program: installed, dataDir: join(path, "var/lib/global-presence") });
  const health = (...args) => execFileSync(installed, ["health", "--listen", `127.0.0.1:${node.port}`, ...args], { encoding: "utf8", env: environment(), stdio: "pipe" });
  assert.match(health("--ready"), /"ready":true/);
  assert.deepEqual(await node.drain(), { code: 0, signal: null });
  assert.throws(() => health(), (error) => error.status === 1 && /can't be reached/.test(error.stderr));

  dpkg("--remove", "global-presence");
  assert.ok(!existsSync(installed) && existsSync(options) && existsSync(join(path, "var/lib/global-presence/facts.redb")), "options and facts stay");
  dpkg("--purge", "global-presence");
  assert.ok(!existsSync(options) && !existsSync(join(path, "var/lib/global-presence")));
});
