// Figures from measured lines: medians, and medians of ratios between two servers.

export function median(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Queries over measured lines: `where` holds fields that must be equal, `field` is the one to read. */
export class Figures {
  constructor(lines) {
    this.lines = lines;
  }

  all(server, where, field) {
    const fits = (line) => line.server === server && Object.entries(where).every(([name, value]) => line[name] === value);
    return this.lines.filter(fits).map((line) => ({ round: line.round, value: line[field], line }));
  }

  median(server, where, field) {
    return median(this.all(server, where, field).map(({ value }) => value));
  }

  /** The median ratio over all rounds; a server with fewer rounds counts with its median. */
  ratio(server, other, where, field, otherWhere = where) {
    const theirs = this.all(other, otherWhere, field);
    const usual = median(theirs.map(({ value }) => value));
    return median(this.all(server, where, field).map(({ round, value }) => value / (theirs.find((one) => one.round === round)?.value ?? usual)));
  }
}
