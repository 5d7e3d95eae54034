/** Which number an element shows. */
export type PresenceShow = "looking" | "users" | "others" | "tabs" | "regions" | "people"

/** One region's share of a room. */
export interface PresenceRegion {
  /** Its code. */
  region: string
  /** Its name, where it has one. */
  name?: string
  /** Distinct users with a connection to that region's nodes. */
  users: number
  state: "live" | "silent" | "draining" | "gone"
}

/** How many users are in a room. */
export interface PresenceCounts {
  /** The room's name. */
  room: string
  /** Distinct users, in all regions together. */
  users: number
  /** Those of them with a visible page. */
  looking: number
  /** Open pages. */
  tabs: number
  /** Users that only a silent region reports; never part of `users`. */
  unsure: number
  /** Those of `users` whose pages can't answer a ping. */
  unproven: number
  regions: PresenceRegion[]
  /** Whether a region is not fully known, so that the numbers may be too low. */
  stale: boolean
}

/** Why the numbers can't be trusted. */
export interface PresenceTrouble {
  room: string
  /** An HTTP status, if the server refused the page. */
  status?: number
  /** A sentence; none where a region is not heard. */
  detail?: string
}

/** What is known of a room. */
export interface PresenceState {
  /** The newest counts; undefined before the first. */
  readonly counts: PresenceCounts | undefined
  /** Whether the counts can't be trusted now. */
  readonly stale: boolean
  /** Why, if the server said so. */
  readonly trouble: string | undefined
}

/** Where to be counted. */
export interface PresenceOptions {
  /** The room; without it the page's own. */
  room?: string | undefined
  /** For private rooms and known visitors. */
  token?: string | undefined
}

/** The attributes of `<live-presence>`, as they are written in HTML. */
export interface PresenceAttributes {
  room?: string | null | undefined
  show?: PresenceShow | null | undefined
  "hide-below"?: number | string | null | undefined
  lang?: string | null | undefined
  token?: string | null | undefined
}

/** The attributes of `<live-cursors>`. */
export interface CursorsAttributes {
  room?: string | null | undefined
  token?: string | null | undefined
  /** The id of the element in which places are told. */
  for?: string | null | undefined
}

/** The attributes of `<live-reactions>`. */
export interface ReactionsAttributes {
  room?: string | null | undefined
  token?: string | null | undefined
  /** Emojis, with spaces between them. */
  emojis?: string | null | undefined
}

/** `<live-presence>` */
export interface LivePresenceElement extends HTMLElement {
  /** The name of the room that is shown. */
  room: string
  show: PresenceShow | ""
  hideBelow: number | string
  token: string
  /** The newest counts; undefined before the first. */
  readonly counts: Omit<PresenceCounts, "room"> | undefined
}

/** `<live-cursors>` */
export interface LiveCursorsElement extends HTMLElement {
  room: string
  token: string
  for: string
}

/** `<live-reactions>` */
export interface LiveReactionsElement extends HTMLElement {
  room: string
  token: string
  /** Emojis, with spaces between them; empty for the usual ones. */
  emojis: string
}

/** The state before the first numbers. */
export const UNKNOWN: PresenceState

/**
 * Loads `<live-presence>` from a node, and the smaller elements where they are asked for. On a server it does nothing.
 * It rejects where a script can't be loaded, and goes on to try.
 */
export function loadPresence(url: string | URL, elements?: { cursors?: boolean; reactions?: boolean }): Promise<void>

/**
 * Counts the visitor in a room, and calls `changed` with what becomes known of it, until the function that it returns is called.
 * Needs a browser.
 */
export function watchPresence(options: PresenceOptions | undefined, changed: (state: PresenceState) => void): () => void

/** A store of a room for frameworks: it watches while anything subscribes to it. */
export function presenceStore(options?: PresenceOptions): {
  get(): PresenceState
  subscribe(listener: () => void): () => void
}

declare global {
  interface HTMLElementTagNameMap {
    "live-presence": LivePresenceElement
    "live-cursors": LiveCursorsElement
    "live-reactions": LiveReactionsElement
  }

  interface GlobalEventHandlersEventMap {
    /** New counts. It bubbles. */
    "presence:change": CustomEvent<PresenceCounts>
    /** The counts can't be trusted any longer. It bubbles. */
    "presence:stale": CustomEvent<PresenceTrouble>
    /** A reaction rises. It bubbles. */
    "presence:reaction": CustomEvent<{ room: string; emoji: string }>
  }
}
