// `make soak-connections`: 15,000 visitors on one node for ten minutes, with joins, leaves and clicks; `node bench/soak.mjs
// CONNECTIONS SECONDS` for other sizes. It ends at the first page that stays wrong, or when a socket is closed.
import { soak } from "./lib/soak.mjs";

const [connections = 15_000, seconds = 600] = process.argv.slice(2).map(Number);
const measured = await soak({ connections, seconds, tell: (line) => console.log(line) });
const [first, last] = [measured[0], measured.at(-1)];
const most = Math.max(...measured.map(({ true_after_ms: ms }) => ms));
console.log(`${connections.toLocaleString("en")} stayed up for ${seconds} s: no socket was closed, ${last.joined - connections} joined and left, ${last.clicks} clicks; ` +
  `memory ${first.rss_mib.toFixed(0)} MiB at first, ${last.rss_mib.toFixed(0)} at last; all pages true ${(most / 1_000).toFixed(1)} s after the last one left, at most`);
