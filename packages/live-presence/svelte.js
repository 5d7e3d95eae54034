// A store for Svelte.
import { presenceStore } from "./index.js"

/** A readable store of a room: the visitor is counted in it while a component reads it. */
export function presence(room, { token } = {}) {
  const store = presenceStore({ room, token })
  return {
    subscribe(run) {
      run(store.get())
      return store.subscribe(() => run(store.get()))
    },
  }
}
