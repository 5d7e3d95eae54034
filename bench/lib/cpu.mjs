// The CPU that processes use.
import { readFileSync } from "node:fs";

/** Seconds of CPU that each of these processes has used. */
export function cpuSeconds(pids) {
  return pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  });
}

/** What `work` results in, and for each group of processes the % of a core that each used meanwhile. */
export async function cpuShares(groups, work) {
  const [before, began] = [groups.map(cpuSeconds), Date.now()];
  const result = await work();
  const seconds = (Date.now() - began) / 1_000;
  const used = groups.map((pids, group) => cpuSeconds(pids).map((after, place) => (100 * (after - before[group][place])) / seconds));
  return { used, result };
}

export const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);
