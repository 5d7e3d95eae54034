// <live-cursors>: shows where the pointers of a room's other users are, in any page.
//
//   <script type="module" src="https://presence.example.com/live-cursors.js"></script>
//   <live-cursors></live-cursors>
//
// A pointer is sent as a place in an element (`for`, else the whole page), from 0 to 1 in both directions, so that windows of
// different sizes agree. What others send becomes numbers and text, never markup.

import { rooms } from "./presence.js"
import { SEND_MS, SharingElement } from "./sharing-element.js"

const KEY = "cursor"

const sheet = new CSSStyleSheet()
sheet.replaceSync(`
:host { position: absolute; top: 0; left: 0; width: 0; height: 0; pointer-events: none; z-index: var(--cursors-layer, 1000) }
[part=cursor] { position: absolute; top: 0; left: 0; transition: transform ${SEND_MS}ms linear; will-change: transform }
[part=cursor]::before {
  content: ""; display: block; width: var(--cursors-size, 1.1em); height: var(--cursors-size, 1.1em);
  background: currentColor; clip-path: polygon(0 0, 100% 38%, 45% 52%, 30% 100%)
}
[part=name] {
  position: absolute; top: 1em; left: 1em; padding: .1em .4em; border-radius: .4em;
  background: currentColor; font: 600 12px/1.3 system-ui, sans-serif; white-space: nowrap
}
[part=name] > span { color: #fff }
@media (prefers-reduced-motion: reduce) { [part=cursor] { transition: none } }
`)

class LiveCursors extends SharingElement {
  static {
    this.reflects("for")
  }

  #cursors = new Map()
  #point
  #ends

  constructor() {
    super(KEY, sheet)
  }

  /** The element in which places are told; the whole page where there is none. */
  get target() {
    return (this.for && this.getRootNode().getElementById(this.for)) || document.documentElement
  }

  connectedCallback() {
    this.ariaHidden = "true"
    this.#ends = new AbortController()
    const { signal } = this.#ends
    const leave = () => this.#move(null)
    document.addEventListener("pointermove", event => this.#follow(event), { signal, passive: true })
    document.documentElement.addEventListener("pointerleave", leave, { signal })
    document.addEventListener("pointercancel", leave, { signal })
    document.addEventListener("pointerup", ({ pointerType }) => pointerType == "touch" && leave(), { signal })
    document.addEventListener("visibilitychange", leave, { signal })
    addEventListener("blur", leave, { signal })
    // Before the connection is closed.
    addEventListener("pagehide", () => this.share(null), { signal, capture: true })
    addEventListener("resize", () => this.draw(), { signal })
    super.connectedCallback()
  }

  disconnectedCallback() {
    this.#ends.abort()
    super.disconnectedCallback()
  }

  #follow({ clientX, clientY }) {
    const { left, top, width, height } = this.target.getBoundingClientRect()
    const [x, y] = [(clientX - left) / width, (clientY - top) / height]
    const inside = x >= 0 && x <= 1 && y >= 0 && y <= 1
    this.#move(inside ? [+x.toFixed(4), +y.toFixed(4)] : null)
  }

  /** Sends the newest place, not more often than a page may. */
  #move(point) {
    if (!point && !this.#point) return
    this.#point = point
    this.sendSoon(() => this.share(this.#point))
  }

  /** Shows where the others are. */
  draw() {
    const { shared, you } = rooms.get(this.room) || {}
    const places = shared?.[KEY] || {}
    for (const [id, cursor] of this.#cursors) {
      if (id in places && id != you) continue
      cursor.remove()
      this.#cursors.delete(id)
    }
    const [own, target] = [this.getBoundingClientRect(), this.target.getBoundingClientRect()]
    for (const id in places) {
      const [x, y] = [places[id]?.[0], places[id]?.[1]]
      if (id == you || !(x >= 0 && x <= 1 && y >= 0 && y <= 1)) continue
      const cursor = this.#cursors.get(id) || this.#add(id)
      cursor.style.transform = `translate(${target.left - own.left + x * target.width}px, ${target.top - own.top + y * target.height}px)`
      const name = shared.person?.[id]?.name
      cursor.firstChild.hidden = !name
      cursor.firstChild.firstChild.textContent = name ?? ""
    }
  }

  #add(id) {
    const part = (name, ...content) => {
      const made = document.createElement("span")
      if (name) made.setAttribute("part", name)
      made.append(...content)
      return made
    }
    const cursor = part("cursor", part("name", part("")))
    // Each user has a colour: the same on all pages.
    cursor.style.color = `hsl(${parseInt(id.slice(0, 4), 16) % 360} 70% 40%)`
    this.#cursors.set(id, cursor)
    this.shadowRoot.append(cursor)
    return cursor
  }
}

customElements.get("live-cursors") || customElements.define("live-cursors", LiveCursors)
