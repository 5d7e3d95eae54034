// What pages call, with any framework or none. Nothing here needs a browser before it is called.

/** The state before the first numbers. One object, so that frameworks see no change. */
export const UNKNOWN = Object.freeze({ counts: undefined, stale: false, trouble: undefined })

const SCRIPTS = { presence: "presence.js", cursors: "live-cursors.js", reactions: "live-reactions.js" }

/** Loads the elements from a node. On a server it does nothing. */
export async function loadPresence(url, { cursors = false, reactions = false } = {}) {
  if (typeof document === "undefined") return
  const names = ["presence", ...(cursors ? ["cursors"] : []), ...(reactions ? ["reactions"] : [])]
  const base = String(url).replace(/\/*$/, "/")
  await Promise.all(names.map((name) => load(new URL(SCRIPTS[name], base).href)))
}

/** A script that could not be loaded is tried again after this time, in ms, and then after twice as long each time. */
const AGAIN_MS = 1_000
const AGAIN_MAX_MS = 30_000
/** Why the element is not there; undefined where nothing is known against it. */
let missing
const watches = new Set()

function isMissing(trouble) {
  missing = trouble
  for (const watch of watches) watch()
}

/** What allows the addresses of the elements' scripts where a page requires trusted types. */
let policy

/** The address as a page may require it: a page's own policy, which may be the default one, decides where it forbids this one. */
function trusted(src) {
  try {
    policy ??= globalThis.trustedTypes?.createPolicy("live-presence", { createScriptURL: (url) => url })
  } catch {}
  return policy?.createScriptURL(src) ?? src
}

function create(src) {
  const script = Object.assign(document.createElement("script"), { type: "module", async: true })
  try {
    script.src = trusted(src)
  } catch {
    const trouble = `${src} could not be loaded. This page requires trusted types: does it allow the policy live-presence?`
    isMissing(trouble)
    throw new Error(trouble)
  }
  return script
}

/** As a script of the page, not by `import()`: bundlers rewrite that, and a page may allow scripts by their element. */
function load(src, againMs = AGAIN_MS) {
  const known = [...document.querySelectorAll("script[type=module]")].find((script) => script.src === src)
  if (known?.dataset.loaded !== undefined) return
  const script = known ?? create(src)
  const loaded = new Promise((resolve, reject) => {
    script.addEventListener("load", () => {
      script.dataset.loaded = ""
      isMissing(undefined)
      resolve()
    })
    script.addEventListener("error", () => {
      const trouble = `${src} could not be loaded. Is the node up, and allowed by this page's script-src?`
      isMissing(trouble)
      // A browser does not load the same element's script twice.
      script.remove()
      setTimeout(() => load(src, Math.min(2 * againMs, AGAIN_MAX_MS))?.catch(() => {}), againMs * (0.5 + Math.random()))
      reject(new Error(trouble))
    })
  })
  if (!known) document.head.append(script)
  return loaded
}

/**
 * Counts the visitor in a room, and calls `changed` with what becomes known of it, until the function that it returns is called.
 * Without a room it is the page's own.
 */
export function watchPresence({ room, token } = {}, changed) {
  const element = document.createElement("live-presence")
  // In a shadow tree, so that it is no element of the page: rules for `live-presence` don't reach it, scripts don't find it, and
  // its events end there.
  const host = document.createElement("live-presence-watch")
  host.style.setProperty("display", "none", "important")
  host.attachShadow({ mode: "closed" }).append(element)
  if (room) element.setAttribute("room", room)
  if (token) element.setAttribute("token", token)
  let state = UNKNOWN
  const change = (next) => changed((state = { ...state, ...next }))
  element.addEventListener("presence:change", ({ detail }) => {
    change({ counts: detail, stale: detail.stale, trouble: detail.stale ? state.trouble : undefined })
  })
  element.addEventListener("presence:stale", ({ detail }) => change({ stale: true, trouble: detail.detail }))
  const watch = () => (missing ? change({ stale: true, trouble: missing }) : state.counts || change(UNKNOWN))
  watches.add(watch)
  document.body.append(host)
  if (missing) watch()
  return () => {
    watches.delete(watch)
    host.remove()
  }
}

/** A store of a room for frameworks: it watches while anything subscribes to it. */
export function presenceStore(options) {
  const listeners = new Set()
  let state = UNKNOWN
  let stop
  return {
    get: () => state,
    subscribe(listener) {
      listeners.add(listener)
      stop ??= watchPresence(options, (next) => {
        state = next
        for (const each of listeners) each()
      })
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0) return
        stop?.()
        stop = undefined
        state = UNKNOWN
      }
    },
  }
}
