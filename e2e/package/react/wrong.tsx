// Only compiled.
import { usePresence } from "live-presence/react"

export function Wrong() {
  // @ts-expect-error A room is a text.
  usePresence(7)
  // @ts-expect-error There is no such number.
  const visitors = <live-presence show="visitors" />
  // @ts-expect-error There is no such attribute.
  const emojis = <live-cursors emojis="👏" />
  // @ts-expect-error The event has counts.
  const listening = <live-presence onpresence:change={(event) => event.detail.visitors} />
  return <>{visitors}{emojis}{listening}</>
}
