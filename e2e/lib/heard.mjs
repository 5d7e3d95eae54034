// Which nodes hear each other, by their APIs: when all were heard again, directly and without a break.
import { pause } from "./until.mjs";

/** Links must hold for this long after all nodes were heard again. */
const SETTLED_MS = 3_500;

/** What a node reports of another one. Each region has one node here, as only regions have exact times. */
function seenBy(answer, other) {
  const node = answer.nodes.find(({ node: name }) => name === other.name);
  const region = answer.regions.find(({ region: name }) => name === other.region);
  return node && region ? { ...node, heard_ms_ago: region.heard_ms_ago } : undefined;
}

/** One ordered pair: since when the reader hears the speaker. */
class Pair {
  constructor(reader, speaker) {
    Object.assign(this, { reader, speaker, heardAt: undefined, last: undefined, breaks: 0 });
  }

  look(seen, { since, asked, answered, fits }) {
    this.last = seen;
    const good = seen !== undefined && seen.state === "live" && !seen.via && fits(this.speaker, seen);
    if (!good) {
      if (this.heardAt !== undefined) this.breaks += 1;
      this.heardAt = undefined;
    } else if (asked - seen.heard_ms_ago >= since) {
      // After a break it counts from when the link is seen to be good again.
      this.heardAt ??= this.breaks > 0 ? answered : answered - seen.heard_ms_ago;
    }
  }

  toString() {
    return `${this.reader.name} of ${this.speaker.name}: ${JSON.stringify(this.last)}, ${this.breaks} breaks`;
  }
}

/**
 * How many ms after `since` every node heard every other: each was heard later than `since`, is live, heard directly, and
 * stays so. `fits(node, seen)` may ask for more of what is said of a node. Fails where that takes longer than `within`.
 */
export async function allHeardAgain(nodes, since, { within = 20_000, fits = () => true } = {}) {
  const pairs = nodes.flatMap((reader) => nodes.filter((other) => other !== reader).map((speaker) => new Pair(reader, speaker)));
  const look = async (reader) => {
    const asked = Date.now();
    const answer = await reader.mesh({ timeout: 1_000 }).catch(() => undefined);
    const answered = Date.now();
    if (answer === undefined) return;
    for (const pair of pairs.filter((pair) => pair.reader === reader)) {
      pair.look(seenBy(answer, pair.speaker), { since, asked, answered, fits });
    }
  };
  for (;;) {
    await Promise.all(nodes.map(look));
    const missing = pairs.filter(({ heardAt }) => heardAt === undefined);
    const after = Date.now() - since;
    if (missing.length === 0 && after >= SETTLED_MS) return Math.max(...pairs.map(({ heardAt }) => heardAt)) - since;
    if (missing.length > 0 && after > within) throw new Error(`not within ${within} ms: all hear all again; ${missing.join("; ")}`);
    await pause(50);
  }
}

/** Waits until every node hears every other directly for the first time. */
export function allDirect(nodes) {
  return allHeardAgain(nodes, 0, { within: Date.now() + 20_000 });
}
