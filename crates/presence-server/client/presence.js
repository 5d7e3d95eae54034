// <live-presence>: says how many people are looking at the page that it is on.
//
//   <script type="module" src="https://presence.example.com/presence.js"></script>
//   <live-presence></live-presence>
//
// All elements of a page share one connection to the server that this file came from. What the server sends becomes text
// and never markup. Served minified: it has to stay under 5 KB compressed.

import { adopt, reflect } from "./attributes.js"
import { elements, identity, observeRoot, rooms, share, soon } from "./connection.js"
import { sheet } from "./style.js"
import { languageAt, pageRoom } from "./surroundings.js"

// The elements that share something, in files of their own.
export { adopt, elements, pageRoom, reflect, rooms, share, soon }

/** Screen readers are told of one change a minute, whatever the number of elements. */
const SPOKEN_MS = 60_000
const ENGLISH = new Intl.Locale("en")
/** Attributes by the names of their properties. */
const ATTRIBUTES = { room: "room", token: "token", show: "show", hideBelow: "hide-below", lang: "lang" }
/** The sentences of languages: English, and others once they are loaded; 0: not yet. */
const WORDS = { en: ENGLISH_WORDS }
/** A page that can't load its language in this time, in ms, has English. */
const WORDS_MS = 5_000
/** At most this many users are named; of more, one less, and the others are counted. */
const NAMES_MAX = 3
let spoken = performance.now()

const element = (name, part, ...content) => {
  const made = document.createElement(name)
  if (part) made.setAttribute("part", part)
  made.append(...content)
  return made
}
const span = (part, ...content) => element("span", part, ...content)

/** The sentences of a language; undefined for one that has none, 0 while they are loaded. */
const wordsIn = language => {
  if (!(language in WORDS) && LANGUAGES.includes(language)) {
    WORDS[language] = 0
    const from = new URL(`presence/words/${language}.json`, import.meta.url)
    const loaded = fetch(from, { credentials: "omit", signal: AbortSignal.timeout(WORDS_MS) }).then(answer => answer.ok && answer.json())
    loaded.catch(() => {}).then(words => {
      WORDS[language] = words || WORDS.en
      soon()
    })
  }
  return WORDS[language]
}

/** "Ann, Bo and 3 others", always in the same order. */
const named = (people, users, local, sentence) => {
  const all = Object.keys(people).sort()
  const names = all.slice(0, all.length > NAMES_MAX || users > all.length ? NAMES_MAX - 1 : NAMES_MAX).map(id => people[id])
  const others = users - names.length
  // Without the comma before "and", as the other languages have it.
  const list = new Intl.ListFormat(local.language == "en" ? "en-GB" : local)
  let place = 0
  return list.formatToParts([...names.map(({ name }) => name + ""), ...(others > 0 ? ["#"] : [])]).flatMap(({ type, value }) => {
    if (type == "literal") return value
    const person = names[place++]
    if (!person) return sentence(others)
    const picture = person.avatar ? [element("img", "avatar")] : []
    for (const image of picture) [image.alt, image.src] = ["", person.avatar]
    return span("name", ...picture, value)
  })
}

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

  /** Whether names are needed, not only numbers. */
  get listens() {
    return this.show == "people"
  }

  /** The newest numbers; undefined before the first. */
  get counts() {
    return rooms.get(this.room)?.counts
  }

  connectedCallback() {
    adopt(this, ATTRIBUTES)
    for (let node = this; node; node = node.host) observeRoot((node = node.getRootNode()))
    elements.add(this)
    // It is drawn after the next frame perhaps, and by then a paragraph around it would have been seen.
    if (!this.#drawn.counts) this.#say({ below: this.#waits() })
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
    reflect(this, ATTRIBUTES, {
      room(element) {
        const room = element.getAttribute("room") || pageRoom()
        // If the page's address has changed since the element was drawn, it is drawn again.
        if (element.#drawn.room != room) element.draw()
        return element.#drawn.room
      },
    })
  }

  /** Shows what is known of the room. */
  draw() {
    const room = this.getAttribute("room") || pageRoom()
    const { counts, trouble, shared } = rooms.get(room) || {}
    const before = this.#drawn
    this.#drawn = { room, counts, trouble }
    let local = ENGLISH
    try {
      // Not every text in a `lang` attribute is a language.
      local = new Intl.Locale(languageAt(this) || navigator.language)
    } catch {}
    // Asked for before the first numbers come, so that they wait for it as little as possible.
    const words = wordsIn(local.language)
    if (!counts) this.#clear()
    // What is not known yet is not shown either, unless the page's server has printed it: a paragraph around it would flash.
    const known = counts && words !== 0
    const below = known ? this.#text(counts, shared?.person, local, words) : this.#waits()
    this.#say({ below, stale: !!trouble, printed: this.#printed })
    if (counts && counts != before.counts) this.#tell("change", counts)
    if (trouble && trouble != before.trouble) this.#tell("stale", trouble)
  }

  /** Whether nothing is to be shown before the first numbers. */
  #waits() {
    return this.hideBelow > 0 && !this.textContent.trim()
  }

  #clear() {
    // The numbers of the room before are not this one's.
    if (this.#line.isConnected) this.#line.replaceChildren("\u200b")
    this.#line.key = 0
  }

  /** Draws the numbers; returns whether they are too small to be shown. */
  #text(counts, people, local, words) {
    const line = this.#line
    if (!line.isConnected) {
      this.#printed = !!this.textContent.trim()
      this.shadowRoot.replaceChildren(line)
    }
    const { show } = this
    const { users, looking } = counts
    const number = {
      users, regions: users, people: users, tabs: counts.tabs, others: Math.max(users - 1, 0),
    }[show] ?? (looking || +(document.visibilityState != "hidden"))
    const below = number < this.hideBelow

    const plural = new Intl.PluralRules(local).select(number)
    const template = this.querySelector(`template[plural=${plural}]`) || this.querySelector("template:not([plural])")
    // What is the same is not drawn again: a screen reader would read it again.
    const key = JSON.stringify([counts, number, show, "" + local, template?.innerHTML, words, this.listens && people])
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
        if (values[slot.name] >= 0) slot.textContent = values[slot.name].toLocaleString(local)
      }
      return below
    }
    if (!words) [local, words] = [ENGLISH, WORDS.en]
    const counted = number => span("number", number.toLocaleString(local))
    const sentence = (forms, number) => {
      const [before, after] = (forms[new Intl.PluralRules(local).select(number)] || forms.other).split("#")
      return after == null ? [before] : [before, counted(number), after]
    }
    let text
    if (show == "regions") {
      text = here.flatMap(({ region, name, users }, place) => [place ? " · " : "", span("region", name || region, " ", counted(users))])
    } else if (this.listens && people && Object.keys(people)[0]) {
      text = named(people, users, local, others => sentence(words.others, others))
    } else {
      text = sentence(words[this.listens ? "users" : show] || words.looking, number)
    }
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
