// <live-presence>: says how many people are looking at the page that it is on.
//
//   <script type="module" src="https://presence.example.com/presence.js"></script>
//   <live-presence></live-presence>
//
// All elements of a page share one connection to the server that this file came from. What the server sends becomes text
// and never markup. Served minified: it has to stay under 5 KB compressed.

import { elements, identity, observeRoot, rooms, soon } from "./connection.js"
import { sheet } from "./style.js"
import { languageAt, pageRoom } from "./surroundings.js"
import WORDS from "./words.json"

/** Screen readers are told of one change a minute, whatever the number of elements. */
const SPOKEN_MS = 60_000
const ENGLISH = new Intl.Locale("en")
/** Attributes by the names of their properties. */
const ATTRIBUTES = { room: "room", token: "token", show: "show", hideBelow: "hide-below", lang: "lang" }
/** Which of a language's sentences is for what `show` says. */
const SENTENCES = { tabs: 1, users: 2, others: 3 }
let spoken = performance.now()

const element = (name, part, ...content) => {
  const made = document.createElement(name)
  if (part) made.setAttribute("part", part)
  made.append(...content)
  return made
}
const span = (part, ...content) => element("span", part, ...content)

class LivePresence extends HTMLElement {
  // A page that morphs its HTML removes the attributes that say what is shown: they come back.
  static observedAttributes = [...Object.values(ATTRIBUTES), "data-below", "data-stale", "data-printed", "data-identity"]
  #line = span("line")
  #internals = this.attachInternals()
  #drawn = {}
  #printed

  constructor() {
    super()
    const root = this.attachShadow({ mode: "open" })
    root.adoptedStyleSheets = [sheet]
    // Until the first numbers come, whatever the page's server has printed; the space without width keeps the line open.
    root.append(element("slot"), "\u200b")
  }

  /** The newest numbers; undefined before the first. */
  get counts() {
    return rooms.get(this.room)?.counts
  }

  connectedCallback() {
    // What a framework has set before this script was loaded.
    for (const name in ATTRIBUTES) {
      if (Object.hasOwn(this, name)) {
        const value = this[name]
        delete this[name]
        this[name] = value
      }
    }
    for (let node = this; node; node = node.host) observeRoot((node = node.getRootNode()))
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

  static {
    for (const name in ATTRIBUTES) {
      const attribute = ATTRIBUTES[name]
      Object.defineProperty(this.prototype, name, {
        configurable: true,
        enumerable: true,
        get() {
          const value = this.getAttribute(attribute) ?? ""
          if (name != "room") return value
          // If the page's address has changed since the element was drawn, it is drawn again.
          if (this.#drawn.room != (value || pageRoom())) this.draw()
          return this.#drawn.room
        },
        // `undefined`, `null` and `false` are how frameworks remove an attribute.
        set(value) {
          if (value == null || value === false) this.removeAttribute(attribute)
          else this.setAttribute(attribute, value)
        },
      })
    }
  }

  /** Shows what is known of the room. */
  draw() {
    const room = this.getAttribute("room") || pageRoom()
    const { counts, trouble } = rooms.get(room) || {}
    const before = this.#drawn
    this.#drawn = { room, counts, trouble }
    const below = counts ? this.#text(counts) : this.#clear()
    this.#say({ below, stale: !!trouble, printed: this.#printed })
    if (counts && counts != before.counts) this.#tell("change", counts)
    if (trouble && trouble != before.trouble) this.#tell("stale", trouble)
  }

  #clear() {
    // The numbers of the room before are not this one's.
    if (this.#line.isConnected) this.#line.replaceChildren("\u200b")
    this.#line.key = 0
  }

  /** Draws the numbers; returns whether they are too small to be shown. The words are "one|others" or "one|few|others". */
  #text(counts) {
    const line = this.#line
    if (!line.isConnected) {
      this.#printed = !!this.textContent.trim()
      this.shadowRoot.replaceChildren(line)
    }
    const { show } = this
    const { users, looking } = counts
    const number = {
      users, regions: users, tabs: counts.tabs, others: Math.max(users - 1, 0),
    }[show] ?? (looking || +(document.visibilityState != "hidden"))
    const below = number < this.hideBelow

    let local = ENGLISH
    try {
      // Not every text in a `lang` attribute is a language.
      local = new Intl.Locale(languageAt(this) || navigator.language)
    } catch {}
    const plural = new Intl.PluralRules(local).select(number)
    const format = value => value.toLocaleString(local)
    const template = this.querySelector(`template[plural=${plural}]`) || this.querySelector("template:not([plural])")
    // What is the same is not drawn again: a screen reader would read it again.
    const key = JSON.stringify([counts, number, show, "" + local, template?.innerHTML])
    if (key == line.key) return below
    line.key = key
    line.ariaAtomic = true
    line.ariaLive = performance.now() - spoken > SPOKEN_MS ? "polite" : "off"
    if (line.ariaLive == "polite") spoken = performance.now()

    const here = counts.regions.filter(region => region.users)
    if (template) {
      line.replaceChildren(template.content.cloneNode(true))
      const values = { ...counts, number, regions: here.length }
      for (const slot of line.querySelectorAll("slot")) {
        if (values[slot.name] >= 0) slot.textContent = format(values[slot.name])
      }
      return below
    }
    if (!WORDS[local.language]) local = ENGLISH
    const forms = WORDS[local.language][SENTENCES[show] || 0].split("|")
    const [before, after] = forms.at({ one: 0, few: 1 }[plural] ?? -1).split("#")
    const text = show == "regions"
      ? here.flatMap(({ region, name, users }, place) => [place ? " · " : "", span("region", name || region, " ", span("number", format(users)))])
      : [before, span("number", format(number)), after]
    line.replaceChildren(span("dot"), span("text", ...text))
    return below
  }

  /** Says to styles what is shown. */
  #say(states) {
    for (const name in states) {
      try {
        this.#internals.states[states[name] ? "add" : "delete"](name)
      } catch {}
      this.toggleAttribute("data-" + name, !!states[name])
    }
    if (identity && this.dataset.identity != identity) this.dataset.identity = identity
  }

  #tell(what, detail) {
    this.dispatchEvent(new CustomEvent("presence:" + what, { detail: { ...detail, room: this.#drawn.room }, bubbles: true }))
  }
}

customElements.get("live-presence") || customElements.define("live-presence", LivePresence)
