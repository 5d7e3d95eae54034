// A shop whose pages Lit shows, the element in a shadow root.
import { LitElement, html } from "lit"

class ShopPage extends LitElement {
  static properties = { here: { state: true }, page: { state: true }, shown: { state: true } }

  constructor() {
    super()
    this.here = true
    this.page = location.pathname
    this.shown = {}
  }

  visit(event) {
    event.preventDefault()
    history.pushState(null, "", "/chair")
    this.page = "/chair"
  }

  async enter() {
    const token = await (await fetch("/token")).text()
    this.shown = { room: "private/lamp", token }
  }

  render() {
    const { room, show, token } = this.shown
    return html`
      <h1>${this.page}</h1>
      <a href="/chair" @click=${this.visit}>The chair</a>
      <button id="room" @click=${() => (this.shown = { room: "/another" })}>Another room</button>
      <button id="private" @click=${this.enter}>The private room</button>
      <button id="tabs" @click=${() => (this.shown = { show: "tabs" })}>Tabs</button>
      <button id="here" @click=${() => (this.here = !this.here)}>Here</button>
      ${this.here ? html`<live-presence .room=${room} .show=${show} .token=${token}></live-presence>` : ""}`
  }
}

customElements.define("shop-page", ShopPage)
document.querySelector("#root").append(document.createElement("shop-page"))
