import type { DefineComponent, MaybeRefOrGetter, ShallowRef } from "vue"
import type {
  CursorsAttributes,
  PresenceAttributes,
  PresenceCounts,
  PresenceState,
  PresenceTrouble,
  ReactionsAttributes,
} from "./index.js"

/**
 * Counts the visitor in a room while the component is shown; returns a ref of what is known of it. Without a room it is the page's
 * own. The room and the token may be refs.
 */
export function usePresence(
  room?: MaybeRefOrGetter<string | undefined>,
  options?: MaybeRefOrGetter<{ token?: MaybeRefOrGetter<string | undefined> } | undefined>,
): Readonly<ShallowRef<PresenceState>>

/** In templates an attribute may be written in both ways. */
type InTemplates<Attributes> = Omit<Attributes, "hide-below"> & { hideBelow?: number | string | null | undefined }

declare module "vue" {
  interface GlobalComponents {
    "live-presence": DefineComponent<
      InTemplates<PresenceAttributes> & {
        "onPresence:change"?: (event: CustomEvent<PresenceCounts>) => void
        "onPresence:stale"?: (event: CustomEvent<PresenceTrouble>) => void
      }
    >
    "live-cursors": DefineComponent<CursorsAttributes>
    "live-reactions": DefineComponent<ReactionsAttributes>
  }
}
