// Only compiled.
import { watchPresence } from "live-presence"
import { presenceText } from "live-presence/server"

export const wrong = () => {
  // @ts-expect-error The newest counts are the element's.
  document.createElement("live-presence").counts = undefined
  // @ts-expect-error There is no such event detail.
  document.addEventListener("presence:change", ({ detail }) => detail.people)
  // @ts-expect-error A room is a text.
  watchPresence({ room: 7 }, () => {})
  // @ts-expect-error There is no such number.
  presenceText({ users: 1 }, { show: "visitors" })
}
