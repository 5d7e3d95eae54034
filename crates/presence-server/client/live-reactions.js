// <live-reactions>: buttons with emojis. Whoever presses one makes it rise on the pages of all who are in the room.
//
//   <script type="module" src="https://presence.example.com/live-reactions.js"></script>
//   <live-reactions emojis="👏 ❤️ 🎉"></live-reactions>
//
// A page shows only emojis that are among its own, so that no one makes it show a text.

import { rooms } from "./presence.js"
import { SharingElement } from "./sharing-element.js"

/** A reaction is told for this long, in ms; then nothing of it is left. */
const LASTS_MS = 3_000
/** Of so many presses that are sent together the last ones rise. */
const RISING_MAX = 8
const KEY = "reaction"
const EMOJIS = "👏 ❤️ 🎉 😂"

const sheet = new CSSStyleSheet()
sheet.replaceSync(`
:host { display: inline-flex; position: relative; gap: .25em }
button {
  font: inherit; line-height: 1; padding: .35em .5em; border: 1px solid var(--reactions-border, currentColor);
  border-radius: 999px; background: none; color: inherit; cursor: pointer
}
[part=rising] { position: absolute; bottom: 100%; pointer-events: none; font-size: 1.6em; opacity: 0 }
`)

class LiveReactions extends SharingElement {
  static {
    this.reflects("emojis")
  }

  /** How many presses of each user were shown; undefined before the room is known. */
  #shown
  #pressed = []
  /** Another number than any page of this visitor has sent before. */
  #count = Date.now()
  #end

  constructor() {
    super(KEY, sheet)
  }

  connectedCallback() {
    super.connectedCallback()
    this.#buttons()
  }

  disconnectedCallback() {
    clearTimeout(this.#end)
    super.disconnectedCallback()
  }

  attributeChangedCallback(name) {
    this.#shown = undefined
    if (name == "emojis") this.#buttons()
    super.attributeChangedCallback()
  }

  #buttons() {
    const emojis = (this.emojis || EMOJIS).split(/\s+/).filter(Boolean)
    const buttons = emojis.map(emoji => {
      const button = document.createElement("button")
      button.type = "button"
      button.part = "button"
      button.textContent = emoji
      button.onclick = () => this.#press(emoji)
      return button
    })
    this.shadowRoot.replaceChildren(...buttons)
  }

  /** Sends a press, with others that follow soon. It rises on this page when the server has sent it back, as on all others. */
  #press(emoji) {
    this.#count += 1
    this.#pressed = [...this.#pressed, emoji].slice(-RISING_MAX)
    this.sendSoon(() => {
      this.share([this.#count, ...this.#pressed])
      this.#pressed = []
      clearTimeout(this.#end)
      this.#end = setTimeout(() => this.share(null), LASTS_MS)
    })
  }

  /** Lets rise what is new. */
  draw() {
    const { shared } = rooms.get(this.room) || {}
    if (!shared) return
    const reactions = shared[KEY] || {}
    const before = this.#shown
    this.#shown = new Map()
    for (const id in reactions) {
      const [count, ...pressed] = [reactions[id]].flat()
      this.#shown.set(id, count)
      // What was there before this page is not new.
      if (before && before.get(id) != count) pressed.slice(-RISING_MAX).forEach((emoji, place) => this.#rise(emoji, place))
    }
  }

  #rise(emoji, place) {
    const button = [...this.shadowRoot.querySelectorAll("button")].find(({ textContent }) => textContent == emoji)
    if (!button) return
    const rising = document.createElement("span")
    rising.setAttribute("part", "rising")
    rising.ariaHidden = "true"
    rising.textContent = emoji
    rising.style.left = `${button.offsetLeft + (place % 3) * 8}px`
    this.shadowRoot.append(rising)
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches
    const frames = [{ opacity: 1, transform: "none" }, { opacity: 0, transform: still ? "none" : "translateY(-6em)" }]
    rising.animate(frames, { duration: 1_600, delay: place * 90, easing: "ease-out" }).onfinish = () => rising.remove()
    this.dispatchEvent(new CustomEvent("presence:reaction", { detail: { room: this.room, emoji }, bubbles: true }))
  }
}

customElements.get("live-reactions") || customElements.define("live-reactions", LiveReactions)
