// Writes words.js when the package is packed: the sentences that the node and the element read, too.
import { readFileSync, writeFileSync } from "node:fs"

const source = new URL("../../crates/presence-server/client/words.json", import.meta.url)
const words = JSON.parse(readFileSync(source, "utf8"))
writeFileSync(new URL("words.js", import.meta.url), `export default ${JSON.stringify(words)}\n`)
