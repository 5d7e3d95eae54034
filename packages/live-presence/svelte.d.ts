import type { HTMLAttributes } from "svelte/elements"
import type {
  CursorsAttributes,
  LiveCursorsElement,
  LivePresenceElement,
  LiveReactionsElement,
  PresenceAttributes,
  PresenceState,
  ReactionsAttributes,
} from "./index.js"

/** A readable store of a room: the visitor is counted in it while a component reads it. Without a room it is the page's own. */
export function presence(room?: string, options?: { token?: string | undefined }): {
  subscribe(run: (state: PresenceState) => void): () => void
}

type Props<Attributes, Element extends EventTarget> = Omit<HTMLAttributes<Element>, keyof Attributes> & Attributes

declare module "svelte/elements" {
  interface SvelteHTMLElements {
    "live-presence": Props<PresenceAttributes, LivePresenceElement>
    "live-cursors": Props<CursorsAttributes, LiveCursorsElement>
    "live-reactions": Props<ReactionsAttributes, LiveReactionsElement>
  }
}
