// Makes the Debian package of a program that is built already: node scripts/deb.mjs PROGRAM VERSION FOLDER [THIRD_PARTY_LICENCES]
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Files of deploy/ that an operator copies and changes. */
const examples = ["nginx.conf", "haproxy.cfg", "Caddyfile", "grafana/dashboard.json",
  ...["alertmanager.yml", "prometheus.yml", "rules.test.yml", "rules.yml"].map((name) => `prometheus/${name}`)];

/** Where each shell looks for what completes commands. */
const completions = {
  bash: "usr/share/bash-completion/completions/global-presence",
  zsh: "usr/share/zsh/vendor-completions/_global-presence",
  fish: "usr/share/fish/vendor_completions.d/global-presence.fish",
};

/** Files that a program writes about itself into a folder: its manual pages, and what completes its commands. Returns `{ manuals, completions }` by name. */
export function shellFiles(program, folder) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(GP|FLY)_/.test(name)));
  const run = (...args) => execFileSync(program, args, { env, maxBuffer: 1 << 24 });
  run("man", folder);
  const manuals = readdirSync(folder).filter((name) => name.endsWith(".1")).sort();
  const written = Object.keys(completions).map((shell) => [shell, `global-presence.${shell}`]);
  for (const [shell, name] of written) writeFileSync(join(folder, name), run("completion", shell));
  return { manuals, completions: Object.fromEntries(written) };
}

/** Where each file goes, and who may do what with it. */
const files = (program, licences) => [
  [program, "usr/bin/global-presence", 0o755],
  [join(root, "deploy/global-presence.service"), "lib/systemd/system/global-presence.service", 0o644],
  [join(root, "deploy/global-presence.socket"), "lib/systemd/system/global-presence.socket", 0o644],
  [join(root, "deploy/global-presence.env"), "etc/global-presence/env", 0o600],
  [join(root, "LICENSE"), "usr/share/doc/global-presence/copyright", 0o644],
  ...examples.map((name) => [join(root, "deploy", name), join("usr/share/doc/global-presence/examples", name), 0o644]),
  [join(root, "CHANGELOG.md"), "usr/share/doc/global-presence/CHANGELOG.md", 0o644],
  ...(licences ? [[licences, "usr/share/doc/global-presence/THIRD-PARTY-LICENCES.txt", 0o644]] : []),
];

const control = (version, architecture, kibibytes) => `Package: global-presence
Version: ${version}
Architecture: ${architecture}
Maintainer: The maintainers of Global Presence <root@localhost>
Installed-Size: ${kibibytes}
Depends: libc6 (>= 2.36), libgcc-s1
Recommends: ca-certificates, curl
Section: net
Priority: optional
Description: shows who is looking at a page right now, everywhere in the world
 One program, and each region runs one or more nodes of it. Every node answers
 from its own memory; there is no external store to run.
`;

/** Makes the package in this folder; returns its path. */
export function deb(program, version, folder, licences) {
  const [path, shell] = ["deb-", "shell-"].map((name) => mkdtempSync(join(tmpdir(), name)));
  try {
    let bytes = 0;
    const written = shellFiles(program, shell);
    for (const name of written.manuals) writeFileSync(join(shell, `${name}.gz`), gzipSync(readFileSync(join(shell, name)), { level: 9 }));
    const ofShells = [
      ...written.manuals.map((name) => [join(shell, `${name}.gz`), `usr/share/man/man1/${name}.gz`, 0o644]),
      ...Object.entries(written.completions).map(([name, file]) => [join(shell, file), completions[name], 0o644]),
    ];
    for (const [from, to, mode] of [...files(program, licences), ...ofShells]) {
      mkdirSync(join(path, dirname(to)), { recursive: true });
      copyFileSync(from, join(path, to));
      chmodSync(join(path, to), mode);
      bytes += statSync(from).size;
    }
    const architecture = execFileSync("dpkg", ["--print-architecture"], { encoding: "utf8" }).trim();
    cpSync(join(root, "deploy/deb"), join(path, "DEBIAN"), { recursive: true });
    for (const script of ["postinst", "prerm", "postrm"]) chmodSync(join(path, "DEBIAN", script), 0o755);
    writeFileSync(join(path, "DEBIAN/conffiles"), "/etc/global-presence/env\n");
    writeFileSync(join(path, "DEBIAN/control"), control(version, architecture, Math.ceil(bytes / 1_024)));
    chmodSync(path, 0o755);
    const made = join(folder, `global-presence_${version}_${architecture}.deb`);
    execFileSync("dpkg-deb", ["--root-owner-group", "-Zzstd", "-z6", "--build", path, made], { stdio: "ignore" });
    return made;
  } finally {
    for (const each of [path, shell]) rmSync(each, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(deb(...process.argv.slice(2)));
