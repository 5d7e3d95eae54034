// A hook for React 18 and later.
import { useMemo, useSyncExternalStore } from "react"
import { UNKNOWN, presenceStore } from "./index.js"

const unknown = () => UNKNOWN

/** Counts the visitor in a room while the component is shown; returns what is known of it. */
export function usePresence(room, { token } = {}) {
  const store = useMemo(() => presenceStore({ room, token }), [room, token])
  return useSyncExternalStore(store.subscribe, store.get, unknown)
}
