// A shop whose pages Preact shows.
import { render } from "preact"
import { useState } from "preact/hooks"

function App() {
  const [here, setHere] = useState(true)
  const [page, setPage] = useState(location.pathname)
  const [shown, setShown] = useState({})
  const visit = (event) => {
    event.preventDefault()
    history.pushState(null, "", "/chair")
    setPage("/chair")
  }
  const enter = async () => {
    const token = await (await fetch("/token")).text()
    setShown({ room: "private/lamp", token })
  }
  return (
    <>
      <h1>{page}</h1>
      <a href="/chair" onClick={visit}>The chair</a>
      <button id="room" onClick={() => setShown({ room: "/another" })}>Another room</button>
      <button id="private" onClick={enter}>The private room</button>
      <button id="tabs" onClick={() => setShown({ show: "tabs" })}>Tabs</button>
      <button id="here" onClick={() => setHere(!here)}>Here</button>
      {here && <live-presence {...shown} />}
    </>
  )
}

render(<App />, document.querySelector("#root"))
