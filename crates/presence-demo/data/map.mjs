#!/usr/bin/env node
// Writes land.svgpath: the world's land as one SVG path, small enough to stand in the page.
//
// Run it by hand when the map should look otherwise:
//
//     npm install --no-save world-atlas@2.0.2 topojson-client@3.1.0 && node map.mjs
//
// Source: Natural Earth, 1:110m land (public domain, https://www.naturalearthdata.com), as packed by world-atlas.
// The projection is Equal Earth; map.rs places the dots with the same formula on the same sheet.

import { readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { feature } from "topojson-client"

const WIDTH = 1000
const TOP = 240 // how far the sheet reaches north of the equator, in its own units; south it ends before Antarctica
const SCALE = WIDTH / 2 / 2.7066297
const ISLAND_MIN = 9 // square units: what is smaller is left out
const OFF_MIN = 0.75 // units: a point that lies nearer to the line between its neighbours is left out

function project([longitude, latitude]) {
  const t = Math.asin((Math.sqrt(3) / 2) * Math.sin((latitude * Math.PI) / 180))
  const t2 = t * t, t6 = t2 * t2 * t2
  const x = ((2 * Math.sqrt(3)) / 3) * ((longitude * Math.PI) / 180) * Math.cos(t) /
    (1.340264 - 3 * 0.081106 * t2 + t6 * (7 * 0.000893 + 9 * 0.003796 * t2))
  const y = t * (1.340264 - 0.081106 * t2 + t6 * (0.000893 + 0.003796 * t2))
  return [WIDTH / 2 + SCALE * x, TOP - SCALE * y]
}

function off([x, y], [ax, ay], [bx, by]) {
  const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy
  const along = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length))
  return Math.hypot(x - ax - along * dx, y - ay - along * dy)
}

function simplify(points) {
  if (points.length < 3) return points
  let worst = 0, at = 0
  for (let i = 1; i < points.length - 1; i++) {
    const distance = off(points[i], points[0], points[points.length - 1])
    if (distance > worst) [worst, at] = [distance, i]
  }
  if (worst < OFF_MIN) return [points[0], points[points.length - 1]]
  return [...simplify(points.slice(0, at + 1)).slice(0, -1), ...simplify(points.slice(at))]
}

function area(points) {
  return Math.abs(points.reduce((sum, [x, y], i) => {
    const [nx, ny] = points[(i + 1) % points.length]
    return sum + x * ny - nx * y
  }, 0)) / 2
}

// Land that crosses the sheet's edge (the 180th meridian) is drawn once at either side, cut there.
function cut(ring) {
  let last = ring[0][0]
  const unwrapped = ring.map(([longitude, latitude]) => {
    while (longitude - last > 180) longitude -= 360
    while (longitude - last < -180) longitude += 360
    last = longitude
    return [longitude, latitude]
  })
  const clipped = turn => unwrapped.map(([lon, lat]) => [Math.max(-180, Math.min(180, lon + turn)), lat])
  const outside = ([lon]) => Math.abs(lon) === 180
  const shown = r => r.filter((point, i) => !(outside(point) && outside(r[i - 1] ?? r.at(-2)) && outside(r[i + 1] ?? r[1])))
  return [-360, 0, 360].map(clipped).filter(r => !r.every(outside)).map(shown).map(r => [...r, r[0]])
}

// Whole units, relative to the point before: `m3 4l1-2 5 6z`.
function path(points) {
  const whole = points.map(([x, y]) => [Math.round(x), Math.round(y)])
  let [px, py] = whole[0], text = `M${px} ${py}l`
  for (const [x, y] of whole.slice(1, -1)) {
    if (x === px && y === py) continue
    const dx = x - px, dy = y - py
    text += `${text.endsWith("l") || dx < 0 ? "" : " "}${dx}${dy < 0 ? "" : " "}${dy}`
    ;[px, py] = [x, y]
  }
  return `${text}z`
}

const atlas = JSON.parse(readFileSync(createRequire(import.meta.url).resolve("world-atlas/land-110m.json")))
const land = feature(atlas, atlas.objects.land)
const rings = (land.features ?? [land]).flatMap(f => f.geometry.coordinates.flat())
const drawn = rings
  .filter(ring => ring.some(([, latitude]) => latitude > -60))
  .flatMap(cut)
  .map(ring => simplify(ring.map(project)))
  .filter(ring => ring.length > 3 && area(ring) >= ISLAND_MIN)
writeFileSync(new URL("land.svgpath", import.meta.url), `${drawn.map(path).join("")}\n`)
