// A site's own tokens, as docs/signing.md says.
import { useEffect, useState } from "react"

export function useToken(room) {
  const [got, setGot] = useState()
  useEffect(() => {
    if (!room) return
    const gone = new AbortController()
    const renew = async () => {
      const answer = await fetch("/token?room=" + encodeURIComponent(room), { signal: gone.signal, cache: "no-store" })
      if (answer.ok) setGot({ room, token: await answer.text() })
    }
    const tryAgain = () => renew().catch(() => {})
    tryAgain()
    const timer = setInterval(tryAgain, 50 * 60_000) // for tokens that last for an hour
    return () => {
      gone.abort()
      clearInterval(timer)
    }
  }, [room])
  return got?.room === room ? got?.token : undefined
}
