// The demo's room as nodes and pages show it over time.
import { BareClient, watch } from "./client.mjs";

/** Arguments that allow a socket to click faster than a person. */
export const fastClicks = ["--messages-per-second", "10000", "--message-burst", "10000", "--bytes-per-second", "1024mb"];

/** The counts of a node's API, every 25 ms. */
export function watchCounts(t, node, room) {
  return watch(t, () => node.counts(room));
}

/**
 * A visitor without a browser who notes every number of people that the page showed: `shown` are the numbers of the
 * head count and of the regions' cards, with the time.
 */
export async function watcher(t, node, options = {}) {
  const shown = [];
  const client = await BareClient.join(t, node, {
    ...options, draws: true,
    onDraw: (drawn) => {
      const numbers = { users: drawn.number("#headcount") };
      for (const card of drawn.document.querySelectorAll("[id$=_usercount]")) numbers[card.id.replace("_usercount", "")] = Number(card.textContent);
      numbers.tabs = drawn.number("#tabcount");
      const text = JSON.stringify(numbers);
      if (shown.at(-1)?.text !== text) shown.push({ at: Date.now(), ...numbers, text });
    },
  });
  client.shown = shown;
  return client;
}

/** Everything that was seen since `from` (ms), starting with the value at that time. */
export function since(seen, from) {
  const first = seen.findLastIndex(({ at }) => at <= from);
  return seen.slice(Math.max(first, 0));
}

/** The longest time for which `wrong(value)` was true without a break, in ms. */
export function longest(seen, wrong, until = Date.now()) {
  let begun;
  let most = 0;
  for (const { at, value } of [...seen, { at: until, value: undefined }]) {
    const is = value !== undefined && wrong(value);
    if (begun !== undefined) most = Math.max(most, at - begun);
    if (is) begun ??= at;
    else begun = undefined;
  }
  return most;
}
