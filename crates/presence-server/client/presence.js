// <live-presence>: says how many people are looking at the page that it is on.
//
//   <script type="module" src="https://presence.example.com/presence.js"></script>
//   <live-presence></live-presence>
//
// All elements of a page share one connection to the server that this file came from. What the server sends becomes text
// and never markup. Served minified: it has to stay under 4 KB compressed.

import WORDS from "./words.json"

/** What a page may ask for: its own limit is the server's, too. */
const ROOMS_MAX = 100
/** A server that says nothing for this long, in ms, is gone: it pings every 10 s. */
const SILENCE_MS = 25_000
/** A socket that is not open by then is blocked somewhere on the way. */
const OPEN_MS = 5_000
/** Screen readers are told of one change a minute, whatever the number of elements. */
const SPOKEN_MS = 60_000
const KEY = "live-presence"

// A sheet that is made by script needs no permission of the page's Content-Security-Policy, as an inline style would.
// What the server of the page has printed keeps its box: no dot and no bold number that would move it.
const sheet = new CSSStyleSheet()
sheet.replaceSync(`
:host { color: var(--presence-color, inherit) }
:host([data-below]) { display: none }
[part=dot] {
  display: inline-block; vertical-align: .06em;
  width: var(--presence-dot-size, .5em); height: var(--presence-dot-size, .5em);
  margin-inline-end: var(--presence-gap, .45em); border-radius: 50%;
  background: var(--presence-dot-color, #1f9d5b); transition: background .3s
}
:host([data-stale]) [part=dot] { background: var(--presence-stale-color, #8a8f98); transition-delay: 2s }
[part=number] { color: var(--presence-number-color, inherit); font-weight: var(--presence-number-weight, 600) }
:host([data-printed]) [part=dot] { display: none }
:host([data-printed]) [part=number] { font-weight: var(--presence-number-weight, inherit) }
`)

const ENGLISH = new Intl.Locale("en")
const elements = new Set()
/** What is known of a room, by its name; `refused`: the server does not want us there, and why. */
const rooms = new Map()
let spoken = performance.now()

const element = (name, part, ...content) => {
  const made = document.createElement(name)
  if (part) made.setAttribute("part", part)
  made.append(...content)
  return made
}
const span = (part, ...content) => element("span", part, ...content)

class LivePresence extends HTMLElement {
  static observedAttributes = ["room", "token", "show", "hide-below", "lang"]
  #line = span("line")
  #template
  #counts

  constructor() {
    super()
    const root = this.attachShadow({ mode: "open" })
    root.adoptedStyleSheets = [sheet]
    // Until the first numbers come, whatever the page's server has printed; the space without width keeps the line open.
    root.append(element("slot"), "\u200b")
  }

  /** The page's address without what makes it no other page: two ways to one product are one room. */
  get room() {
    const { host, pathname } = new URL(document.querySelector("link[rel=canonical]")?.href || location)
    return this.getAttribute("room") || (host + pathname).replace(/\/+$/, "")
  }

  /** The newest numbers; undefined before the first. */
  get counts() {
    return rooms.get(this.room)?.counts
  }

  connectedCallback() {
    elements.add(this)
    soon()
  }

  disconnectedCallback() {
    elements.delete(this)
    soon()
  }

  attributeChangedCallback() {
    soon()
  }

  /** Shows what is known of the room. The words are "one|others" or "one|few|others", for people and for tabs. */
  draw() {
    const { counts } = this
    const line = this.#line
    if (!counts) return
    if (!line.isConnected) {
      this.toggleAttribute("data-printed", this.textContent.trim())
      this.shadowRoot.replaceChildren(line)
    }
    const show = this.getAttribute("show")
    const number = counts[/^(tabs|looking)$/.test(show) ? show : "users"]
    this.toggleAttribute("data-below", number < this.getAttribute("hide-below"))
    this.dataset.identity = identity
    line.ariaAtomic = true
    line.ariaLive = performance.now() - spoken > SPOKEN_MS ? "polite" : "off"
    if (line.ariaLive == "polite") spoken = performance.now()

    let local = ENGLISH
    try {
      // Not every text in a `lang` attribute is a language.
      local = new Intl.Locale(this.closest("[lang]")?.lang || navigator.language)
    } catch {}
    const plural = () => new Intl.PluralRules(local).select(number)
    const format = value => value.toLocaleString(local)
    const here = counts.regions.filter(region => region.users)
    const template = this.querySelector(`template[plural=${plural()}]`) || this.querySelector("template:not([plural])")
    if (template) {
      if (this.#template != template) line.replaceChildren(template.content.cloneNode(true))
      const values = { ...counts, number, regions: here.length }
      for (const slot of line.querySelectorAll("slot")) {
        if (values[slot.name] >= 0) slot.textContent = format(values[slot.name])
      }
    } else {
      if (!WORDS[local.language]) local = ENGLISH
      const forms = WORDS[local.language][+(show == "tabs")].split("|")
      const [before, after] = forms.at({ one: 0, few: 1 }[plural()] ?? -1).split("#")
      const text = show == "regions"
        ? here.flatMap(({ region, users }, place) => [place ? " · " : "", span("region", region, " ", span("number", format(users)))])
        : [before, span("number", format(number)), after]
      line.replaceChildren(span("dot"), span("text", ...text))
    }
    this.#template = template

    if (this.#counts != counts) {
      this.#counts = counts
      this.tell("change", counts)
      if (counts.stale) this.tell("stale", counts)
    }
  }

  tell(what, detail) {
    this.toggleAttribute("data-stale", what == "stale")
    this.dispatchEvent(new CustomEvent("presence:" + what, { detail: { ...detail, room: this.room }, bubbles: true }))
  }
}

// The connection of all elements: a socket, else an event stream. `link` is whichever is open or opening, `timer` waits
// for the next try; if there is neither, none is needed.

let link, timer, syncing, id, identity, away
let tries = 0

/** Many elements come and go at once, and a moved one goes and comes: what is wanted is looked at after that. */
const soon = () => {
  syncing ||= setTimeout(sync)
}

const sync = () => {
  syncing = 0
  const wanted = new Map()
  for (const element of elements) {
    const { room } = element
    if (wanted.size < ROOMS_MAX || wanted.has(room)) wanted.set(room, wanted.get(room) || element.getAttribute("token") || undefined)
    element.draw()
  }
  for (const [room, { token }] of rooms) {
    if (!wanted.has(room) || wanted.get(room) != token) {
      rooms.delete(room)
      link?.send({ type: "leave", room })
    }
  }
  for (const [room, token] of wanted) {
    if (!rooms.has(room)) {
      rooms.set(room, { token })
      link?.send({ type: "join", room, token })
    }
  }
  if (away || document.prerendering || !rooms.size) close()
  else if (!link && !timer) open()
}

/** Whoever is told `room` or nothing: every element, or those of one room. */
const doubt = (detail, room) => {
  for (const element of elements) if (!room || element.room == room) element.tell("stale", detail)
}

const close = () => {
  clearTimeout(timer)
  timer = tries = 0
  link?.close()
}

/** Tries again after a time that grows and that no two pages share: a server that is back is not run down. */
const later = () => {
  if (!tries) doubt({ detail: "The server can't be reached." })
  timer = setTimeout(open, Math.min(500 * 2 ** tries++, 30_000) * (0.5 + Math.random()))
}

const hidden = () => document.visibilityState == "hidden"

const open = streamed => {
  timer = 0
  const url = new URL(streamed ? "presence/events" : "presence", import.meta.url)
  let raw, guard, welcomed
  const own = link = {
    close() {
      clearTimeout(guard)
      link = 0
      if (raw) {
        raw.onclose = raw.onerror = raw.onmessage = null
        raw.close()
      }
    },
  }
  const ended = () => {
    own.close()
    if (welcomed || streamed) later()
    else open(true)
  }
  const guarded = () => {
    clearTimeout(guard)
    guard = setTimeout(ended, welcomed ? SILENCE_MS : OPEN_MS)
  }
  guarded()
  try {
    if (streamed) {
      for (const [room, { token, refused }] of rooms) {
        if (!refused) url.searchParams.append("room", room)
        if (!refused && token) url.searchParams.append("token", token)
      }
      if (id) url.searchParams.set("id", id)
      url.searchParams.set("visible", !hidden())
      raw = new EventSource(url, { withCredentials: true })
      raw.onerror = ended
      raw.addEventListener("again", () => {
        own.close()
        open()
      })
      own.send = () => {
        own.close()
        timer = setTimeout(open, 0, true)
      }
    } else {
      raw = new WebSocket(url.href.replace("http", "ws"), "presence-v1")
      own.send = message => raw.readyState == 1 && raw.send(JSON.stringify(message))
      raw.onopen = () => {
        own.send({ type: "hello", id, visible: !hidden() })
        for (const [room, { token, refused }] of rooms) if (!refused) own.send({ type: "join", room, token })
      }
      raw.onclose = ended
    }
    raw.onmessage = ({ data }) => {
      const message = JSON.parse(data)
      welcomed = true
      guarded()
      take(message)
    }
  } catch {
    ended()
  }
}

/** What was refused since too much was going on may be allowed later. */
const again = room => {
  rooms.delete(room)
  link?.send({ type: "leave", room })
  soon()
}

const take = ({ type, room, ...message }) => {
  const known = rooms.get(room)
  if (type == "welcome") {
    id = message.id
    let kept
    try {
      localStorage[KEY] = id
      kept = localStorage[KEY] == id
    } catch {}
    identity = message.identity == "cookie" ? "cookie" : kept ? "storage" : "page"
  }
  if (!known) return
  // This page is one of those that are counted: there are 0 users only until it has been counted, too.
  if (type == "counts" && message.users !== 0) {
    tries = 0
    known.counts = message
    for (const element of elements) if (element.room == room) element.draw()
  }
  if (type == "left" || type == "error") {
    known.refused = true
    doubt(message, room)
    if (message.status == 429 || message.status >= 500) setTimeout(again, 30_000 * (1 + Math.random()), room)
  }
}

try {
  id = localStorage[KEY]
} catch {}

addEventListener("pagehide", () => {
  away = true
  close()
})
addEventListener("pageshow", () => {
  away = false
  soon()
})
document.addEventListener("visibilitychange", () => {
  link?.send({ type: "visible", visible: !hidden() })
  if (timer && !hidden()) retry()
})
document.addEventListener("prerenderingchange", soon)
const retry = () => {
  if (timer) {
    close()
    soon()
  }
}
addEventListener("online", retry)
window.navigation?.addEventListener("navigatesuccess", soon)

customElements.get("live-presence") || customElements.define("live-presence", LivePresence)
