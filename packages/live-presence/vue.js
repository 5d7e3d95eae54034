// A composable for Vue 3.
import { onMounted, onScopeDispose, shallowReadonly, shallowRef, toValue, watch } from "vue"
import { UNKNOWN, watchPresence } from "./index.js"

/** Counts the visitor in a room while the component is shown; returns a ref of what is known of it. */
export function usePresence(room, options) {
  const state = shallowRef(UNKNOWN)
  const token = () => toValue(toValue(options)?.token)
  let stop
  const begin = () => {
    stop?.()
    state.value = UNKNOWN
    stop = watchPresence({ room: toValue(room), token: token() }, (next) => (state.value = next))
  }
  onMounted(() => {
    begin()
    watch([() => toValue(room), token], begin)
  })
  onScopeDispose(() => stop?.())
  return shallowReadonly(state)
}
