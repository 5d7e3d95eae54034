// Prints what a delivery, a visitor, a page, an API answer and a scrape cost in counts, beside the recorded counts; `--write` records them.
import { readFileSync, writeFileSync } from "node:fs";
import { counts } from "../e2e/lib/counts.mjs";

const file = new URL("counts.json", import.meta.url);
const ends = [];
try {
  const now = await counts({ after: (end) => ends.unshift(end) });
  if (process.argv[2] === "--write") writeFileSync(file, `${JSON.stringify(now, null, 2)}\n`);
  const known = JSON.parse(readFileSync(file, "utf8"));
  for (const [name, count] of Object.entries(now)) console.log(`${name}: ${count.toLocaleString("en")} (on record: ${known[name]?.toLocaleString("en") ?? "nothing"})`);
} finally {
  for (const end of ends) await end();
}
