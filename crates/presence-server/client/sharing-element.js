// What <live-cursors> and <live-reactions> have in common: a room, and values that its visitors share for a moment.

import { elements, pageRoom, share, soon } from "./presence.js"

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

  get room() {
    return this.getAttribute("room") || pageRoom()
  }

  get token() {
    return this.getAttribute("token") || ""
  }

  connectedCallback() {
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
