// A shop whose pages a script shows. `printed` is what the server has printed of the number, if it has.
import { useState } from "react"
import { useToken } from "./token.js"

function Watching({ room, show, token, printed }) {
  return (
    <live-presence room={room} show={show} token={token} suppressHydrationWarning>
      {printed}
    </live-presence>
  )
}

export function App({ path, printed }) {
  const [here, setHere] = useState(true)
  const [page, setPage] = useState(path)
  const [shown, setShown] = useState({})
  const visit = (event) => {
    event.preventDefault()
    history.pushState(null, "", "/chair")
    setPage("/chair")
  }
  const locked = shown.room?.startsWith("private/") ? shown.room : undefined
  const token = useToken(locked)
  return (
    <>
      <h1>{page}</h1>
      <a href="/chair" onClick={visit}>The chair</a>
      <button id="room" onClick={() => setShown({ room: "/another" })}>Another room</button>
      <button id="private" onClick={() => setShown({ room: "private/lamp" })}>The private room</button>
      <button id="tabs" onClick={() => setShown({ show: "tabs" })}>Tabs</button>
      <button id="here" onClick={() => setHere(!here)}>Here</button>
      {here && (!locked || token) && <Watching {...shown} token={token} printed={printed} />}
    </>
  )
}
