// The connection of all elements: a socket, else an event stream. `link` is whichever is open or opening, `timer` waits for
// the next try; if there is neither, none is needed.

import { observe, pageRoom, sameRoom, successor } from "./surroundings.js"

/** What a page may ask for: its own limit is the server's, too. */
const ROOMS_MAX = 100
/** A server that says nothing for this long, in ms, is gone: it pings every 10 s. */
const SILENCE_MS = 25_000
/** The same for a page that was asleep or hidden, and may have missed the end. */
const PING_MS = 12_000
/** A socket that is not open by then is blocked somewhere on the way. */
const OPEN_MS = 5_000
const KEY = "live-presence"
const UNREACHABLE = { detail: "The server can't be reached." }

export const elements = new Set()
/**
 * What is known of a room, by its name. `trouble`: why its numbers can't be trusted, with a status if it was refused.
 * `shared`: what its users share, by key and user, once an element listens. `you`: which of them this page's visitor is.
 */
export const rooms = new Map()
export let identity

/** Tokens that were refused where an element of their room has none: it shows the number of all the same. */
const spent = new Set()
let link, timer, syncing, id, away, heard
let tries = 0
let attempts = 0

const warned = new Set()
/** Says once why no number is shown. */
const warn = text => {
  if (!warned.has(text)) console.warn("<live-presence>:", text)
  warned.add(text)
}

/** Many elements come and go at once, and a moved one goes and comes: what is wanted is looked at after that. */
export const soon = () => {
  syncing ||= setTimeout(sync)
}

/** Shows the others of a room a value for as long as this page is there; null: nothing. Lost where no socket is open. */
export const share = (room, key, value) => link?.share?.({ type: "share", room, key, value })

const join = (room, { token, attempt, listens }) => {
  link?.send({ type: "join", room, token, attempt })
  if (listens) link?.share?.({ type: "listen", room })
}

const draw = () => {
  for (const element of elements) element.draw()
}

const sync = () => {
  syncing = 0
  const wanted = new Map()
  // One visitor: a token counts for all elements of its room, however they name it.
  const tokens = {}
  for (const { room, token } of elements) if (!spent.has(token)) tokens[sameRoom(room)] ||= token
  for (const element of elements) {
    const { room } = element
    const listens = element.listens || wanted.get(room)?.listens
    if (wanted.size < ROOMS_MAX || wanted.has(room)) wanted.set(room, { token: tokens[sameRoom(room)] || undefined, listens })
    else warn(`At most ${ROOMS_MAX} rooms are shown.`)
  }
  for (const [room, { token }] of rooms) {
    const want = wanted.get(room)
    if (!want || want.token != token) {
      rooms.delete(room)
      // With another token the next join replaces this one: a visitor who left first would count twice for a while.
      if (!want) link?.send({ type: "leave", room })
    }
  }
  for (const [room, want] of wanted) {
    const known = rooms.get(room)
    if (!known) {
      const begun = { ...want, attempt: ++attempts, trouble: tries ? UNREACHABLE : undefined }
      rooms.set(room, begun)
      join(room, begun)
    } else if (want.listens && !known.listens) {
      known.listens = true
      link?.share?.({ type: "listen", room })
    }
  }
  draw()
  if (away || document.prerendering || !rooms.size) close()
  else if (!link && !timer) open()
}

const unreachable = () => {
  for (const known of rooms.values()) if (!known.trouble?.status) known.trouble = UNREACHABLE
  draw()
}

const close = () => {
  clearTimeout(timer)
  timer = tries = 0
  link?.close()
}

/** Tries again after a time that grows and that no two pages share: a server that is back is not run down. */
const later = () => {
  if (!tries) unreachable()
  timer = setTimeout(open, Math.min(500 * 2 ** tries++, 30_000) * (0.5 + Math.random()))
}

const refused = ({ status, detail }) => warn(status + " " + detail)

/** An event stream does not say why it failed. */
const explain = async url => {
  try {
    const answer = await fetch(url, { credentials: "omit" })
    if (answer.ok) answer.body.cancel()
    else refused(await answer.json())
  } catch {
    warn(`${url.origin} can't be reached. Is it up, and allowed by this page's connect-src?`)
  }
}

/** This page, the same for all its sockets: the next one takes the place of one that the network has cut. */
const tab = "" + Math.random()

const hidden = () => document.visibilityState == "hidden"

const asked = () => [...rooms].filter(([, { trouble }]) => !trouble?.status)

const open = streamed => {
  timer = 0
  heard = Date.now()
  const url = new URL(streamed ? "presence/events" : "presence", import.meta.url)
  let raw, welcomed
  const own = link = {
    close() {
      clearInterval(guard)
      link = undefined
      if (raw) {
        raw.onclose = raw.onerror = raw.onmessage = null
        raw.close()
      }
    },
  }
  const ended = () => {
    own.close()
    if (welcomed || streamed) {
      if (!welcomed && !tries) explain(url)
      later()
    } else open(true)
  }
  const guard = setInterval(() => Date.now() - heard > (welcomed ? SILENCE_MS : OPEN_MS) && ended(), 1_000)
  try {
    if (streamed) {
      if (!asked()[0]) return own.close()
      for (const [room, { token }] of asked()) {
        url.searchParams.append("room", room)
        if (token) url.searchParams.append("token", token)
      }
      if (id) url.searchParams.set("id", id)
      url.searchParams.set("visible", !hidden())
      raw = new EventSource(url, { withCredentials: true })
      raw.addEventListener("again", ({ data }) => {
        own.close()
        timer = setTimeout(open, data)
      })
      own.send = () => {
        own.close()
        timer = setTimeout(open, 0, true)
      }
    } else {
      raw = new WebSocket(url.href.replace("http", "ws"), "presence-v1")
      own.send = own.share = message => raw.readyState == 1 && raw.send(JSON.stringify(message))
      raw.onopen = () => {
        own.send({ type: "hello", id, tab, visible: !hidden() })
        // Also of elements that came, or changed their room, while this was opening.
        for (const [room, known] of asked()) join(room, known)
      }
      raw.onclose = ended
    }
    // Where a policy forbids a socket, only this event comes.
    raw.onerror = ended
    raw.onmessage = ({ data }) => {
      welcomed = true
      heard = Date.now()
      take(JSON.parse(data))
    }
  } catch {
    ended()
  }
}

/** What was refused since too much was going on may be allowed later, unless another join has replaced it. */
const again = (room, known) => {
  if (rooms.get(room) != known) return
  rooms.delete(room)
  link?.send({ type: "leave", room })
  soon()
}

const take = ({ type, room, ...message }) => {
  const known = rooms.get(room)
  if (type == "welcome") {
    id = message.id
    let kept
    try {
      localStorage[KEY] = id
      kept = localStorage[KEY] == id
    } catch {}
    identity = message.identity == "cookie" ? "cookie" : kept ? "storage" : "page"
  }
  // The page may have replaced the join that this answers: by one with a token, for example.
  if (!known || (message.attempt && message.attempt != known.attempt)) return
  // This page is one of those that are counted: there are 0 users only until it has been counted, too.
  if (type == "counts" && message.users !== 0) {
    tries = 0
    known.counts = message
    // None come after a refusal, unless a later join is allowed or the visitor is only not counted.
    known.trouble = message.stale ? message : undefined
  } else if (type == "sharing") {
    known.you = message.you
  } else if (type == "shared") {
    if (message.whole) known.shared = {}
    for (const key in message.values) {
      const values = (known.shared[key] ||= {})
      for (const user in message.values[key]) {
        const value = message.values[key][user]
        if (value == null) delete values[user]
        else values[user] = value
      }
    }
  } else if (type == "left" || type == "error") {
    known.trouble = message = { status: 403, detail: "Dismissed.", ...message }
    refused(message)
    if (type == "error" && message.status == 403 && known.token && [...elements].some(element => !element.token && sameRoom(element.room) == sameRoom(room))) {
      spent.add(known.token)
      soon()
    }
    if (message.status > 428) setTimeout(again, 30_000 * (1 + Math.random()), room, known)
  }
  for (const element of elements) if (element.room == room) element.draw()
}

const retry = () => {
  close()
  soon()
}

/** After a sleep, the end of a connection may not have been noticed. */
const wake = () => {
  if (!hidden() && (timer || (link && Date.now() - heard > PING_MS))) retry()
}

try {
  id = localStorage[KEY]
} catch {}

export const observeRoot = observe(soon)

addEventListener("pagehide", () => {
  const next = successor()
  if (next == 1) link?.send({ type: "leave", room: pageRoom() })
  if (next) link?.send({ type: "moving" })
  away = true
  close()
})
addEventListener("pageshow", () => {
  away = false
  wake()
  soon()
})
document.addEventListener("visibilitychange", () => {
  link?.send({ type: "visible", visible: !hidden() })
  wake()
  draw()
})
document.addEventListener("resume", wake)
document.addEventListener("prerenderingchange", soon)
addEventListener("offline", unreachable)
addEventListener("online", retry)
