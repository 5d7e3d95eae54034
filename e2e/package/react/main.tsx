// A site with React.
import { useState } from "react"
import { createRoot } from "react-dom/client"
import { loadPresence, type PresenceCounts } from "live-presence"
import { usePresence } from "live-presence/react"

void loadPresence("https://presence.example.com")

const heard = ({ detail }: CustomEvent<PresenceCounts>) => (document.body.dataset["users"] = `${detail.users}`)

function Lamp() {
  const [room, setRoom] = useState("/lamp")
  const { counts, stale, trouble } = usePresence(room)
  return (
    <>
      <live-presence room={room} show="users" hide-below={0} lang="de" onClick={() => {}} onpresence:change={heard} />
      <live-cursors for="app" />
      <live-reactions emojis="👏 🎉" />
      <output>{`${counts?.users} ${stale}`}</output>
      <small>{trouble}</small>
      <button onClick={() => setRoom("/chair")}>Chair</button>
    </>
  )
}

createRoot(document.getElementById("app")!).render(<Lamp />)
