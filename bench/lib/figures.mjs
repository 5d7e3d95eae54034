// From lines that were measured to the figures that are shown: medians, and medians of ratios of pairs.

export function median(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A question to the lines: `where` are fields that must be equal, `field` is what is asked for. */
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

  /** The median of what one is of the other in each round; a server that was measured in fewer rounds counts with its median. */
  ratio(server, other, where, field, otherWhere = where) {
    const theirs = this.all(other, otherWhere, field);
    const usual = median(theirs.map(({ value }) => value));
    return median(this.all(server, where, field).map(({ round, value }) => value / (theirs.find((one) => one.round === round)?.value ?? usual)));
  }
}
