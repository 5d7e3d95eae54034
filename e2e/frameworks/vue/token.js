// A site's own tokens, as docs/signing.md says.
import { computed, ref, watch } from "vue"

export function useToken(room) {
  const got = ref()
  watch(room, (now, _before, onCleanup) => {
    if (!now) return
    const gone = new AbortController()
    const renew = async () => {
      const answer = await fetch("/token?room=" + encodeURIComponent(now), { signal: gone.signal, cache: "no-store" })
      if (answer.ok) got.value = { room: now, token: await answer.text() }
    }
    const tryAgain = () => renew().catch(() => {})
    tryAgain()
    const timer = setInterval(tryAgain, 50 * 60_000) // for tokens that last for an hour
    onCleanup(() => {
      gone.abort()
      clearInterval(timer)
    })
  }, { immediate: true })
  return computed(() => (got.value?.room === room.value ? got.value?.token : undefined))
}
