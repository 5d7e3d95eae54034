// Plots as SVG that can be read on light and on dark pages.

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1c2430; }
  .title { font-weight: 600; font-size: 15px; }
  .small { font-size: 11px; fill: #5a6472; }
  .grid { stroke: #d5dae1; stroke-width: 1; }
  .s0 { fill: #1f6feb; stroke: #1f6feb; } .s1 { fill: #8a94a3; stroke: #8a94a3; } .s2 { fill: #bf5b00; stroke: #bf5b00; }
  .line { fill: none; stroke-width: 2.5; } .bar { stroke: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6eaf0; } .small { fill: #a3adba; } .grid { stroke: #3a424d; }
    .s0 { fill: #6cb0ff; stroke: #6cb0ff; } .s1 { fill: #8f9aa9; stroke: #8f9aa9; } .s2 { fill: #ffa657; stroke: #ffa657; }
  }`;

const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const compact = (value) => (value >= 10_000 ? `${Math.round(value / 1_000)} k` : value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2))));

function svg(height, title, body) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 ${height}" role="img" aria-label="${escaped(title)}"><style>${STYLE}
</style><text class="title" x="16" y="26">${escaped(title)}</text>${body}</svg>\n`;
}

/** Horizontal bars, one group for each label; `rows` are `{ label, values, own }`; `log`: a scale of powers of ten. */
export function bars({ title, unit, series = [], rows, log = false }) {
  const values = rows.flatMap((row) => row.values).filter((value) => value > 0);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const from = 10 ** Math.floor(Math.log10(least) - 0.3);
  const width = (value) => 430 * (log ? Math.log10(value / from) / Math.log10(most / from) : value / most);
  const group = (row) => row.values.length * 18 + 12;
  let y = 62;
  let body = `<text class="small" x="16" y="46">${escaped(unit)}${log ? ", each step is ten times as much" : ""}</text>`;
  series.forEach((name, place) => {
    body += `<rect class="bar s${place === 0 ? 0 : 2}" x="${470 + place * 120}" y="16" width="12" height="12"/><text class="small" x="${488 + place * 120}" y="26">${escaped(name)}</text>`;
  });
  for (const row of rows) {
    body += `<text x="180" y="${y + (row.values.length * 18) / 2 + 4}" text-anchor="end"${row.own ? ' class="title"' : ""}>${escaped(row.label)}</text>`;
    row.values.forEach((value, place) => {
      if (!(value > 0)) return;
      const colour = series.length > 1 ? (place === 0 ? "s0" : "s2") : row.own ? "s0" : "s1";
      body += `<rect class="bar ${colour}" x="190" y="${y + place * 18}" width="${Math.max(width(value), 1).toFixed(1)}" height="15" rx="2"/>`;
      body += `<text class="small" x="${(196 + width(value)).toFixed(1)}" y="${y + place * 18 + 12}">${compact(value)}</text>`;
    });
    y += group(row);
  }
  return svg(y + 8, title, body);
}

/** Lines over the number of connections; `lines` are `{ label, points: [[x, y]], own }`. */
export function curves({ title, unit, lines }) {
  const all = lines.flatMap(({ points }) => points);
  const [right, top] = [Math.max(...all.map(([x]) => x)), Math.max(...all.map(([, y]) => y)) * 1.08];
  const at = ([x, y]) => [60 + (x / right) * 480, 300 - (y / top) * 230];
  let body = `<text class="small" x="16" y="46">${escaped(unit)}</text>`;
  for (let step = 0; step <= 4; step += 1) {
    const [, y] = at([0, (top * step) / 4]);
    body += `<line class="grid" x1="60" x2="540" y1="${y}" y2="${y}"/><text class="small" x="52" y="${y + 4}" text-anchor="end">${compact((top * step) / 4)}</text>`;
  }
  for (const x of new Set(all.map(([x]) => x))) body += `<text class="small" x="${at([x, 0])[0]}" y="318" text-anchor="middle">${x.toLocaleString("en")}</text>`;
  // Labels stand beside their lines' ends, never on one another.
  let free = 0;
  for (const { label, points, own } of [...lines].sort((a, b) => b.points.at(-1)[1] - a.points.at(-1)[1])) {
    const [x, y] = at(points.at(-1));
    const labelY = Math.max(y + 4, free);
    free = labelY + 16;
    const colour = own ? "s0" : label === "the baseline" ? "s2" : "s1";
    body += `<polyline class="line ${colour}" style="fill:none" points="${points.map((point) => at(point).map((one) => one.toFixed(1)).join(",")).join(" ")}"/>`;
    body += `<text class="${own ? "title" : "small"}" x="${x + 8}" y="${labelY}">${escaped(label)}</text>`;
  }
  return svg(336, title, body);
}
