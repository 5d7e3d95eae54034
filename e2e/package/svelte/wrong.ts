// Only compiled.
import type { SvelteHTMLElements } from "svelte/elements"
import { presence } from "live-presence/svelte"

// @ts-expect-error A room is a text.
export const store = presence(7)
// @ts-expect-error There is no such number.
export const attributes: SvelteHTMLElements["live-presence"] = { show: "visitors" }
