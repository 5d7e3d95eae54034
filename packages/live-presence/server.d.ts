import type { PresenceShow } from "./index.js"

/** The numbers that a sentence may say. */
export interface PrintedCounts {
  users?: number
  looking?: number
  tabs?: number
}

/** In which language, and which number. */
export interface TextOptions {
  /** A tag such as `de-AT`, or a whole `Accept-Language`. English where none of its languages has sentences. */
  lang?: string | undefined
  show?: PresenceShow | undefined
}

/** The codes of the languages that there are sentences in. */
export const languages: readonly string[]

/** The sentence that the element shows for these counts: "14 people are looking at this". It is text, not HTML. */
export function presenceText(counts: PrintedCounts, options?: TextOptions): string

/**
 * The counts of a room, such as `shop.example/lamps/7`, as the node's API answers; undefined where it does not answer in time, or
 * refuses the request. The console says why, once for each reason.
 */
export function fetchPresence(
  url: string | URL,
  room: string,
  options?: { signal?: AbortSignal; fetch?: typeof fetch },
): Promise<Required<PrintedCounts> | undefined>

/** The element as HTML, with the sentence for these counts in it; without a sentence where the counts are not known. */
export function presenceElement(
  counts: PrintedCounts | undefined,
  options?: TextOptions & { room?: string | undefined; token?: string | undefined; hideBelow?: number | undefined },
): string
