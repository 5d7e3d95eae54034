// A site with React.
import { useState } from "react"
import { createRoot } from "react-dom/client"
import { loadPresence } from "live-presence"
import { usePresence } from "live-presence/react"

void loadPresence("https://presence.example.com")

function Lamp() {
  const [room, setRoom] = useState("/lamp")
  const { counts, stale } = usePresence(room)
  return (
    <>
      <live-presence room={room} show="users" hide-below={0} lang="de" onClick={() => {}} />
      <live-cursors for="app" />
      <live-reactions emojis="👏 🎉" />
      <output>{`${counts?.users} ${stale}`}</output>
      <button onClick={() => setRoom("/chair")}>Chair</button>
    </>
  )
}

createRoot(document.getElementById("app")!).render(<Lamp />)
