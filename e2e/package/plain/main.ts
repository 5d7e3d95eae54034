// A site without a framework.
import { loadPresence, watchPresence, type PresenceState } from "live-presence"

await loadPresence("https://presence.example.com", { cursors: true, reactions: true })

const element = document.createElement("live-presence")
element.show = "tabs"
element.hideBelow = 0
document.addEventListener("presence:change", ({ detail }) => {
  const users: number = detail.users
  document.body.dataset["users"] = `${users}`
})
document.body.append(element, document.createElement("live-cursors"), document.createElement("live-reactions"))

const shown = document.body.appendChild(document.createElement("output"))
const show = ({ counts, stale }: PresenceState) => (shown.textContent = `${counts?.users} ${stale}`)
const stop = watchPresence({ room: "/lamp" }, show)
shown.addEventListener("click", stop)
