// The shipped alerts, at the pace of a test: a minute is a second. Their expressions are those that ship.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { until } from "./until.mjs";

export const rulesFile = join(root, "deploy/prometheus/rules.yml");

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000 };
const FASTER = 60;

/** A duration of Prometheus, in ms. */
export function milliseconds(text) {
  const [, count, unit] = text.match(/^(\d+)([smh])$/) ?? assert.fail(`${text} is no duration`);
  return Number(count) * UNITS_MS[unit];
}

/** All alerts of a file of rules: `{ name, expr, lasts }`; `lasts` is how long the fault has to last, `0s` where it need not. */
export function alertsOf(rules) {
  return rules.split(/^ {6}- alert: /m).slice(1).map((text) => ({
    name: text.match(/^\w+/)[0],
    expr: text.match(/^ {8}expr: >-\n {10}(.*)$/m)[1],
    lasts: text.match(/^ {8}for: (\w+)$/m)?.[1] ?? "0s",
  }));
}

/** Rules as they ship, but for two kinds of durations: how long a fault has to last, and the ranges that rates are of. */
export function fasterRules(rules = readFileSync(rulesFile, "utf8")) {
  const faster = (text) => `${milliseconds(text) / FASTER}ms`;
  return rules.replaceAll(/^( {8}for: )(\w+)$/gm, (_, before, lasts) => before + faster(lasts)).replaceAll(/\[(\w+)(:?)\]/g, (_, range, colon) => `[${faster(range)}${colon}]`);
}

/** What `fasterRules` has changed, a line for each alert. */
export function changedDurations() {
  const [shipped, faster] = [readFileSync(rulesFile, "utf8"), fasterRules()].map(alertsOf);
  const ranges = ({ expr }) => [...expr.matchAll(/\[\w+:?\]/g)].map(([range]) => range);
  return shipped.map((alert, place) => {
    const words = [["for ", alert.lasts, faster[place].lasts === "0s" ? undefined : faster[place].lasts], ...ranges(alert).map((range, at) => ["", range, ranges(faster[place])[at]])];
    return `${alert.name}: ${words.map(([before, from, to]) => `${before}${from} → ${to ?? from}`).join(", ")}`;
  });
}

/** Faults and what they prove: which alerts have fired with one and cleared after its mend. */
export class AlertProofs {
  constructor(t) {
    this.t = t;
    this.proved = new Set();
  }

  /**
   * `alerts`: the name of each and the node that it names, or `null` where it names none. None of them fires before `cause`; then
   * all do, and after `mend` none does. Without `cause` the fault is there already.
   */
  async prove(server, alerts, { cause, mend, within = 40_000 }) {
    const each = Object.entries(alerts);
    if (cause) for (const [name, node] of each) await server.untilClears(name, node);
    const caused = Date.now();
    await cause?.();
    const fired = await Promise.all(each.map(async ([name, node]) => {
      await server.untilFires(name, node, { within });
      return Date.now() - caused;
    }));
    const mended = Date.now();
    await mend();
    await Promise.all(each.map(async ([name, node], place) => {
      // An alert is gone while its node is not scraped, too.
      await server.untilEvaluated(node);
      await server.untilClears(name, node);
      this.t.diagnostic(`${name} fired ${fired[place]} ms after its fault, and cleared ${Date.now() - mended} ms after the mend`);
      this.proved.add(name);
    }));
  }
}
