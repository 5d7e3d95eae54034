// What is measured, in which order, and how often. Servers alternate, so that other work on the machine disturbs all of them.
import * as measure from "./measure.mjs";

export const full = {
  rounds: 9, idleRounds: 5, stormRounds: 5, clickRounds: 3, requestRounds: 3, starts: 5, peers: true,
  connections: [1_000, 5_000, 10_000], seconds: 1.5, count: 5, idle: 10_000, idleSeconds: 11, storms: [1_000, 5_000], clickSeconds: 5,
};

/** Only ours, the baseline and Bun, with enough rounds to tell them apart: four minutes. */
export const short = {
  rounds: 5, idleRounds: 1, stormRounds: 3, clickRounds: 1, requestRounds: 1, starts: 3, peers: false,
  connections: [5_000, 10_000], seconds: 1.2, count: 2, idle: 10_000, idleSeconds: 8, storms: [5_000], clickSeconds: 4,
};

export const quick = {
  rounds: 2, idleRounds: 1, stormRounds: 2, clickRounds: 1, requestRounds: 1, starts: 3, peers: false,
  connections: [5_000, 10_000], seconds: 1.5, count: 3, idle: 10_000, idleSeconds: 5, storms: [5_000], clickSeconds: 3,
};

/** Seconds after which a storm is given up. */
const GIVE_UP = { usual: 60, rails: 30 };

/** Runs all measurements; passes each line to `keep`, with `server` and `round`. */
export async function carryOut(plan, missing, keep) {
  const began = Date.now();
  const has = (name) => missing[name] === undefined;
  const step = async (server, round, what, measured) => {
    const lines = await measured().catch((error) => [{ kind: "failed", why: error.message }]);
    const failed = lines.find(({ kind }) => kind === "failed");
    const minutes = ((Date.now() - began) / 60_000).toFixed(1);
    console.error(`${minutes} min: ${what}, ${server}, round ${round + 1}${failed ? `: FAILED, ${failed.why}` : ""}`);
    for (const line of lines) keep({ server, round, what, ...line });
    return lines;
  };

  for (let round = 0; round < plan.starts; round += 1) await step("ours", round, "start", measure.starting);
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const name of ["baseline", "ours", "bun"].filter(has)) await step(name, round, "broadcasts", () => measure.broadcasts(name, plan));
  }
  for (let round = 0; round < plan.idleRounds; round += 1) {
    const { idle: connections, idleSeconds: seconds } = plan;
    const lines = await step("ours", round, "idle", () => measure.idle("ours", { connections, seconds }));
    const ours = lines.find(({ kind }) => kind === "idle");
    // With as many heartbeats as ours just sent.
    if (ours) await step("baseline", round, "idle", () => measure.idleBaseline({ connections, seconds, textsPerS: ours.texts_per_s, pingsPerS: ours.pings_per_s }));
  }
  for (let round = 0; round < plan.stormRounds; round += 1) {
    for (const connections of plan.storms) {
      for (const name of ["baseline", "room"]) await step(name, round, "storm", () => measure.storm(name, { connections, giveUp: GIVE_UP.usual }));
    }
  }
  for (let round = 0; round < plan.clickRounds; round += 1) await step("ours", round, "click", () => measure.clicks({ seconds: plan.clickSeconds }));
  for (let round = 0; round < plan.requestRounds; round += 1) await step("ours", round, "http", () => measure.requests({ seconds: plan.seconds }));
  if (!plan.peers) return;
  for (const name of ["ws", "socketio", "naive", "rails"].filter(has)) {
    await step(name, 0, "broadcasts", () => measure.broadcasts(name, plan));
  }
  for (const name of ["bun", "ws", "socketio", "naive", "rails"].filter(has)) {
    await step(name, 0, "idle", () => measure.idle(name, { connections: plan.idle, seconds: 6 }));
    for (const connections of plan.storms) {
      // With a thousand it was not done in a minute and a half.
      if (name === "rails" && connections > 1_000) continue;
      await step(name, 0, "storm", () => measure.storm(name, { connections, giveUp: GIVE_UP[name] ?? GIVE_UP.usual }));
    }
  }
}
