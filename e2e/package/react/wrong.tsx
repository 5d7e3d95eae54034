// Only compiled.
import { usePresence } from "live-presence/react"

export function Wrong() {
  // @ts-expect-error A room is a text.
  usePresence(7)
  // @ts-expect-error There is no such number.
  const visitors = <live-presence show="visitors" />
  // @ts-expect-error There is no such attribute.
  const emojis = <live-cursors emojis="👏" />
  return <>{visitors}{emojis}</>
}
