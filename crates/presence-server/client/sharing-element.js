// What <live-cursors> and <live-reactions> have in common: a room, and values that its visitors share for a moment.

import { adopt, elements, pageRoom, reflect, share, soon } from "./presence.js"

/** Values are sent this often, in ms: a page may send ten messages a second. */
export const SEND_MS = 110

export class SharingElement extends HTMLElement {
  listens = true
  #key
  #timer

  /** `key` names what is shared. */
  constructor(key, sheet) {
    super()
    this.#key = key
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet]
  }

  /** Makes an attribute of each of these a property, besides `room` and `token`. */
  static reflects(...names) {
    this.observedAttributes = ["room", "token", ...names]
    this.properties = Object.fromEntries(this.observedAttributes.map(name => [name, name]))
    reflect(this, this.properties, { room: element => element.getAttribute("room") || pageRoom() })
  }

  connectedCallback() {
    adopt(this, this.constructor.properties)
    elements.add(this)
    soon()
  }

  disconnectedCallback() {
    clearTimeout(this.#timer)
    this.#timer = 0
    this.share(null)
    elements.delete(this)
    soon()
  }

  attributeChangedCallback() {
    soon()
  }

  /** Shows a value of this visitor to the room's others; null ends it. */
  share(value) {
    share(this.room, this.#key, value)
  }

  /** Calls `send` once, not more often than a page may send. */
  sendSoon(send) {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0
      send()
    }, SEND_MS)
  }
}
