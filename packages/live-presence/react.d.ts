import type * as React from "react"
import type {
  CursorsAttributes,
  LiveCursorsElement,
  LivePresenceElement,
  LiveReactionsElement,
  PresenceAttributes,
  PresenceCounts,
  PresenceState,
  PresenceTrouble,
  ReactionsAttributes,
} from "./index.js"

/** Counts the visitor in a room while the component is shown; returns what is known of it. Without a room it is the page's own. */
export function usePresence(room?: string, options?: { token?: string | undefined }): PresenceState

/** React 19 listens to an event of this name. Babel and SWC refuse a colon in JSX: there, spread an object. */
interface PresenceEvents {
  "onpresence:change"?: ((event: CustomEvent<PresenceCounts>) => void) | undefined
  "onpresence:stale"?: ((event: CustomEvent<PresenceTrouble>) => void) | undefined
}

interface ReactionsEvents {
  "onpresence:reaction"?: ((event: CustomEvent<{ room: string; emoji: string }>) => void) | undefined
}

type Props<Attributes, Element> = Omit<React.DetailedHTMLProps<React.HTMLAttributes<Element>, Element>, keyof Attributes> & Attributes

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "live-presence": Props<PresenceAttributes & PresenceEvents, LivePresenceElement>
      "live-cursors": Props<CursorsAttributes, LiveCursorsElement>
      "live-reactions": Props<ReactionsAttributes & ReactionsEvents, LiveReactionsElement>
    }
  }
}
