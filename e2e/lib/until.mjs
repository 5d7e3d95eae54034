// Waiting for conditions, with a deadline.

/** Long, for a busy machine: a test that promises a time measures it. */
const WITHIN_MS = 20_000;

/** Resolves with the first truthy value of `condition`, or fails after `within` ms and says what it last saw. */
export async function until(what, condition, { within = WITHIN_MS, every = 20 } = {}) {
  const deadline = Date.now() + within;
  let seen;
  for (;;) {
    try {
      seen = await condition();
      if (seen) return seen;
    } catch (error) {
      seen = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`not within ${within} ms: ${what}; last seen: ${seen instanceof Error ? seen.message : JSON.stringify(seen)}`);
    }
    await pause(every);
  }
}

/** Resolves when `read` has answered `expected` (deeply equal as JSON). */
export async function untilEqual(what, read, expected, options) {
  const wanted = JSON.stringify(expected);
  let last;
  try {
    return await until(what, async () => {
      last = await read();
      return JSON.stringify(last) === wanted;
    }, options);
  } catch (error) {
    throw new Error(`${error.message}; wanted ${wanted}, got ${JSON.stringify(last)}`);
  }
}

/** Fails as soon as `holds` is not true during the next `ms`. */
export async function always(what, holds, ms, { every = 20 } = {}) {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    const seen = await holds();
    if (seen !== true) throw new Error(`did not hold: ${what}; seen: ${JSON.stringify(seen)}`);
    await pause(every);
  }
}

/** Waits for a time that is part of a test (a client's delay, a freeze), never for something to be done. */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
