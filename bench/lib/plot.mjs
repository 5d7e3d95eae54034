// Plots as SVG that can be read on light and on dark pages, for docs/benchmarks.md and docs/scaling.md.

const COLOURS = { c0: ["#0969da", "#58a6ff"], c1: ["#bc4c00", "#f0883e"], c2: ["#1a7f37", "#56d364"], c3: ["#8250df", "#bc8cff"], c4: ["#bf3989", "#f778ba"], grey: ["#8a94a3", "#8f9aa9"] };
const colours = (theme) => Object.entries(COLOURS).map(([name, pair]) => `.${name}{fill:${pair[theme]};stroke:${pair[theme]}}`).join("");
const STYLE = `
text{font:13px system-ui,sans-serif;fill:#1c2430}text[class]{stroke:none}.title{font-weight:600;font-size:15px}.small{font-size:11px;fill:#5a6472}
.grid{fill:none;stroke:#8b949e;stroke-opacity:.35}.limit{fill:none;stroke:#8b949e;stroke-dasharray:5 4}
${colours(0)}.line{fill:none;stroke-width:2.3}.bar{stroke:none}
@media(prefers-color-scheme:dark){text{fill:#e6eaf0}.small{fill:#a3adba}${colours(1)}.line{fill:none}}`;

const WIDTH = 760;
const [LEFT, RIGHT, TOP, BOTTOM] = [74, 560, 60, 366];
/** Least distance between two labels. */
const LABEL_GAP = 17;

const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const text = (x, y, words, rest = "") => `<text x="${fixed(x)}" y="${fixed(y)}"${rest}>${escaped(words)}</text>\n`;
const fixed = (value) => Number(value.toFixed(1));

/** 1000 as 1k, with two significant digits. */
function compact(value) {
  const [part, unit] = [[1e9, "G"], [1e6, "M"], [1e3, "k"]].filter(([least]) => Math.abs(value) >= least * 0.9995).map(([least, name]) => [value / least, name])[0] ?? [value, ""];
  return `${Math.abs(part) >= 9.95 ? Math.round(part) : Number(part.toPrecision(2))}${unit}`;
}

function svg(height, title, body) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}"><style>${STYLE}
</style>${text(16, 26, title, ' class="title"')}${body}</svg>\n`;
}

/** Horizontal bars, one group for each label; `rows` are `{ label, values, own }`; `log`: a scale of powers of ten. */
export function bars({ title, unit, series = [], rows, log = false }) {
  const values = rows.flatMap((row) => row.values).filter((value) => value > 0);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const from = 10 ** Math.floor(Math.log10(least) - 0.3);
  const width = (value) => 430 * (log ? Math.log10(value / from) / Math.log10(most / from) : value / most);
  let y = 62;
  let body = text(16, 46, `${unit}${log ? ", each step is ten times as much" : ""}`, ' class="small"');
  series.forEach((name, place) => {
    body += `<rect class="bar c${place}" x="${470 + place * 120}" y="16" width="12" height="12"/>${text(488 + place * 120, 26, name, ' class="small"')}`;
  });
  for (const row of rows) {
    body += text(180, y + (row.values.length * 18) / 2 + 4, row.label, ` text-anchor="end"${row.own ? ' class="title"' : ""}`);
    row.values.forEach((value, place) => {
      if (!(value > 0)) return;
      const colour = series.length > 1 ? `c${place}` : row.own ? "c0" : "grey";
      body += `<rect class="bar ${colour}" x="190" y="${y + place * 18}" width="${fixed(Math.max(width(value), 1))}" height="15" rx="2"/>`;
      body += text(196 + width(value), y + place * 18 + 12, compact(value), ' class="small"');
    });
    y += row.values.length * 18 + 12;
  }
  return svg(y + 8, title, body);
}

/** An axis from 0 to `most` with these ticks, or four of them. */
function linear(most, ticks = [0, 1, 2, 3, 4].map((step) => (most * step) / 4)) {
  return { part: (value) => value / most, ticks, holds: () => true };
}

/** A logarithmic axis. Ticks are powers of ten; where there are few of them, also twice and five times as much. */
function logarithmic([from, to]) {
  const holds = (value) => value >= from * 0.999 && value <= to * 1.001;
  const between = Math.log10(to / from) < 2.5 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power += 1) ticks.push(...between.map((times) => times * 10 ** power));
  return { part: (value) => Math.log(Math.max(value, 1e-12) / from) / Math.log(to / from), ticks: ticks.filter(holds), holds };
}

/**
 * Curves, `lines` being `{ label, colour, points, dots, own }`. With `ranges` (`{ x, y }`) both axes are logarithmic, else
 * linear. `limits` are levels with their names.
 */
export function curves({ title, x, y, lines, ranges, limits = [] }) {
  const all = lines.flatMap(({ points }) => points);
  const most = (place) => Math.max(...all.map((point) => point[place]));
  const axes = ranges
    ? [logarithmic(ranges.x), logarithmic(ranges.y)]
    : [linear(most(0), [...new Set(all.map(([value]) => value))]), linear(most(1) * 1.08)];
  const at = ([right, up]) => [LEFT + axes[0].part(right) * (RIGHT - LEFT), BOTTOM - axes[1].part(up) * (BOTTOM - TOP)].map(fixed);
  const inside = ([right, up]) => axes[0].holds(right) && axes[1].holds(up);
  const level = (value) => BOTTOM - axes[1].part(value) * (BOTTOM - TOP);
  let body = text(16, 46, y, ' class="small"') + text((LEFT + RIGHT) / 2, BOTTOM + 42, x, ' text-anchor="middle"');
  for (const tick of axes[0].ticks) {
    const place = LEFT + axes[0].part(tick) * (RIGHT - LEFT);
    body += `<path class="grid" d="M${fixed(place)} ${TOP}V${BOTTOM}"/>${text(place, BOTTOM + 18, compact(tick), ' text-anchor="middle"')}`;
  }
  for (const tick of axes[1].ticks) body += `<path class="grid" d="M${LEFT} ${fixed(level(tick))}H${RIGHT}"/>${text(LEFT - 8, level(tick) + 4, compact(tick), ' text-anchor="end"')}`;
  for (const [value, name] of limits) body += `<path class="limit" d="M${LEFT} ${fixed(level(value))}H${RIGHT}"/>${text(LEFT + 6, level(value) - 5, name, ' class="small"')}`;
  const ends = [];
  for (const { label, colour, points, dots = [], own } of lines) {
    const shown = [points, dots].map((some) => some.filter(inside));
    if (shown[0].length > 0) body += `<path class="line ${colour}" d="M${shown[0].map((point) => at(point).join(" ")).join("L")}"/>\n`;
    for (const [cx, cy] of shown[1].map(at)) body += `<circle class="${colour}" cx="${cx}" cy="${cy}" r="4"/>\n`;
    const last = shown.flat().reduce((found, point) => (found === undefined || point[0] >= found[0] ? point : found), undefined);
    if (last) ends.push({ label, own, colour, y: at(last)[1] });
  }
  // Labels are beside the ends of their curves, moved apart where curves end together.
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, place) => (end.y = place === 0 ? end.y : Math.max(end.y, ends[place - 1].y + LABEL_GAP)));
  const over = Math.max((ends.at(-1)?.y ?? 0) - BOTTOM, 0);
  for (const end of ends) body += text(RIGHT + 10, end.y - over + 4, end.label, ` class="${end.own ? "title " : ""}${end.colour}"`);
  return svg(BOTTOM + 54, title, body);
}
