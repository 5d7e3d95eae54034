// Makes what the page refers to, for build.rs: one script, one style sheet, an icon and the libraries' licences, each
// named by its content, compressed twice, and listed in assets.rs.
//
// Called as `node bundle.mjs OUT`, in a folder where package.json's libraries are installed.

import { createHash } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
import { build } from "esbuild"

const out = process.argv[2]

async function bundle(entry) {
  const options = { bundle: true, minify: true, format: "esm", target: "es2022", legalComments: "none", write: false }
  const result = await build({ ...options, entryPoints: [entry], logLevel: "warning" })
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

const files = [
  ["SCRIPT", "page", "js", "text/javascript; charset=utf-8", await bundle("start.js")],
  ["STYLE", "style", "css", "text/css; charset=utf-8", await bundle("style.css")],
  ["ICON", "icon", "svg", "image/svg+xml", readFileSync("icon.svg")],
  ["LICENCES", "licences", "txt", "text/plain; charset=utf-8", licences()],
]

const rust = files.map(([constant, name, extension, type, body]) => {
  const hash = createHash("sha256").update(body).digest("hex").slice(0, 10)
  const path = `${name}-${hash}.${extension}`
  writeFileSync(join(out, path), body)
  const brotli = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
  const include = (suffix, bytes) => {
    if (bytes.length >= body.length) return "None"
    writeFileSync(join(out, path + suffix), bytes)
    return `Some(include_bytes!(concat!(env!("OUT_DIR"), "/${path}${suffix}")))`
  }
  return `
/// Where browsers find it.
pub(crate) const ${constant}: &str = ${JSON.stringify(`/assets/${path}`)};
const ${constant}_FILE: Asset = Asset {
    path: ${constant},
    content_type: ${JSON.stringify(type)},
    body: include_bytes!(concat!(env!("OUT_DIR"), "/${path}")),
    gzip: ${include(".gz", gzipSync(body, { level: 9 }))},
    brotli: ${include(".br", brotli)},
};`
})
const all = files.map(([constant]) => `${constant}_FILE`).join(", ")
writeFileSync(join(out, "assets.rs"), `${rust.join("\n")}
static FILES: [Asset; ${files.length}] = [${all}];
`)
