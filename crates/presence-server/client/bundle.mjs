// Makes the scripts that every app serves, for build.rs: the stock clients in one file, the scripts of other people's
// pages with their words, and the libraries' licences. Each is compressed twice and listed in client.rs.
//
// Called as `node client/bundle.mjs OUT`, in a folder where package.json's libraries are installed.

import { createHash } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
import { build } from "esbuild"

const out = process.argv[2]

/** The sentences of every language. English is part of the element; the others are loaded by the pages that need them. */
const words = JSON.parse(readFileSync("client/words.json"))

async function bundle(entry) {
  const options = { bundle: true, minify: true, format: "esm", target: "es2022", charset: "utf8", legalComments: "none", write: false }
  const define = { ENGLISH_WORDS: JSON.stringify(words.en), LANGUAGES: JSON.stringify(Object.keys(words)) }
  // The smaller elements share the connection of <live-presence>, so they import its script from beside their own.
  const result = await build({ ...options, define, external: ["*/presence.js"], entryPoints: [entry], logLevel: "warning" })
  return Buffer.from(result.outputFiles[0].contents)
}

function licences() {
  const { dependencies } = JSON.parse(readFileSync("package.json"))
  const texts = Object.entries(dependencies).map(([name, version]) => {
    const folder = join("node_modules", name)
    const file = readdirSync(folder).find(entry => /^(mit-)?licen[cs]e/i.test(entry))
    const { license } = JSON.parse(readFileSync(join(folder, "package.json")))
    return `${name} ${version} (${license})\n\n${file ? readFileSync(join(folder, file), "utf8").trim() : ""}\n`
  })
  return Buffer.from(texts.join(`\n${"-".repeat(72)}\n\n`))
}

/** `/assets/page-1a2b3c4d5e.js`: another content, another path. */
function hashed(name, extension, body) {
  return `/assets/${name}-${createHash("sha256").update(body).digest("hex").slice(0, 10)}.${extension}`
}

/** An asset in Rust, its bytes in files beside client.rs. */
function asset(path, type, body) {
  const file = path.slice(path.lastIndexOf("/") + 1)
  const include = (suffix, bytes) => {
    writeFileSync(join(out, file + suffix), bytes)
    return `Bytes::from_static(include_bytes!(concat!(env!("OUT_DIR"), "/${file}${suffix}")))`
  }
  const smaller = (suffix, bytes) => (bytes.length < body.length ? `Some(${include(suffix, bytes)})` : "None")
  const brotli = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
  return `Asset {
    path: Cow::Borrowed(${JSON.stringify(path)}),
    content_type: Cow::Borrowed(${JSON.stringify(type)}),
    body: ${include("", body)},
    gzip: ${smaller(".gz", gzipSync(body, { level: 9 }))},
    brotli: ${smaller(".br", brotli)},
}`
}

const javascript = "text/javascript; charset=utf-8"
const page = await bundle("client/start.js")
const script = hashed("page", "js", page)
const texts = licences()
const licencesPath = hashed("licences", "txt", texts)
const element = await bundle("client/presence.js")
const shared = await Promise.all(["live-cursors", "live-reactions"].map(async name => asset(`/${name}.js`, javascript, await bundle(`client/${name}.js`))))
const languages = Object.entries(words).map(([code, sentences]) => asset(`/presence/words/${code}.json`, "application/json", Buffer.from(JSON.stringify(sentences))))
const files = [asset(script, javascript, page), asset(licencesPath, "text/plain; charset=utf-8", texts), ...languages]

writeFileSync(join(out, "client.rs"), `/// Where pages find the stock clients; a page is told by \`Visit::script\`.
///
/// \`\`\`
/// assert!(presence_server::SCRIPT.starts_with("/assets/page-") && presence_server::SCRIPT.ends_with(".js"));
/// \`\`\`
pub const SCRIPT: &str = ${JSON.stringify(script)};
/// Where the licences of the libraries in it are.
///
/// \`\`\`
/// let foot = format!(r#"<a href="{}">Licences</a>"#, presence_server::LICENCES);
/// assert!(foot.contains("/assets/licences-"));
/// \`\`\`
pub const LICENCES: &str = ${JSON.stringify(licencesPath)};
pub(crate) const FILES: [Asset; ${files.length}] = [${files}];
/// The scripts of the elements that need \`PRESENCE\`.
pub(crate) const SHARING: [Asset; ${shared.length}] = [${shared}];
/// The script of \`<live-presence>\`, for other people's pages: always at the same path.
pub(crate) const PRESENCE: Asset = ${asset("/presence.js", javascript, element)};
`)
