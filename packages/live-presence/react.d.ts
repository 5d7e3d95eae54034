import type * as React from "react"
import type {
  CursorsAttributes,
  LiveCursorsElement,
  LivePresenceElement,
  LiveReactionsElement,
  PresenceAttributes,
  PresenceState,
  ReactionsAttributes,
} from "./index.js"

/** Counts the visitor in a room while the component is shown; returns what is known of it. Without a room it is the page's own. */
export function usePresence(room?: string, options?: { token?: string | undefined }): PresenceState

type Props<Attributes, Element> = Omit<React.DetailedHTMLProps<React.HTMLAttributes<Element>, Element>, keyof Attributes> & Attributes

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "live-presence": Props<PresenceAttributes, LivePresenceElement>
      "live-cursors": Props<CursorsAttributes, LiveCursorsElement>
      "live-reactions": Props<ReactionsAttributes, LiveReactionsElement>
    }
  }
}
