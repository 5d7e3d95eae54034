// What a server prints into its pages before any script runs.
import words from "./words.js"

/** The codes of the languages that there are sentences in. */
export const languages = Object.freeze(Object.keys(words))

/** A node that does not answer by then is left out: no page waits longer for a number, in ms. */
const ANSWER_MS = 500

/** The first of these tags, such as `de-AT` or a whole `Accept-Language`, whose language has sentences; else English. */
function known(tags) {
  const codes = tags.split(",").map((tag) => tag.trim().split(/[-_;]/)[0].toLowerCase())
  return codes.find((code) => Object.hasOwn(words, code)) ?? "en"
}

function counted({ users = 0, looking = 0, tabs = 0 }, show) {
  return { users, regions: users, people: users, tabs, others: Math.max(users - 1, 0) }[show] ?? looking
}

/** The sentence that the element shows for these counts: "14 people are looking at this". */
export function presenceText(counts, { lang = "en", show = "looking" } = {}) {
  const language = known(lang)
  const number = counted(counts, show)
  const sentences = words[language]
  const forms = sentences[{ regions: "users", people: "users" }[show] ?? show] ?? sentences.looking
  const form = forms[new Intl.PluralRules(language).select(number)] ?? forms.other
  return form.replace("#", number.toLocaleString(language))
}

const REASONS_MAX = 100
const warned = new Set()

/** Says once why a page has no number. A reason may name its room, so there may be many. */
function warn(reason) {
  if (warned.has(reason) || warned.size === REASONS_MAX) return
  warned.add(reason)
  console.warn("live-presence:", reason)
}

/**
 * The counts of a room, as the node's API answers; undefined where it does not answer in time, or refuses the request. The console
 * says why, once for each reason.
 */
export async function fetchPresence(url, room, { signal = AbortSignal.timeout(ANSWER_MS), fetch = globalThis.fetch } = {}) {
  const address = new URL("api/v1/rooms", String(url).replace(/\/*$/, "/"))
  address.searchParams.set("room", room)
  try {
    const answer = await fetch(address, { signal })
    if (answer.ok) return (await answer.json()).rooms[0]
    const { detail } = await answer.json().catch(() => ({}))
    warn(`${answer.status} ${detail ?? answer.statusText}`)
  } catch (error) {
    warn(`${address.origin} gave no answer: ${error.cause?.message ?? error.message}`)
  }
  return undefined
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" }
const escaped = (text) => String(text).replace(/[&<>"']/g, (letter) => ENTITIES[letter])

/** The element as HTML, with the sentence for these counts in it; without one where they are not known, or are below `hideBelow`. */
export function presenceElement(counts, { lang, show, room, token, hideBelow } = {}) {
  const attributes = { room, show, "hide-below": hideBelow, lang, token }
  const written = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null)
  const tag = ["live-presence", ...written.map(([name, value]) => `${name}="${escaped(value)}"`)].join(" ")
  const shown = counts && counted(counts, show) >= (hideBelow ?? 0)
  return `<${tag}>${shown ? escaped(presenceText(counts, { lang, show })) : ""}</live-presence>`
}
