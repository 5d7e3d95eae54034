// What the element derives from the page around it: the room's name and the language. Both are observed, since the page may
// change its address, its canonical link and its language at any time, in any order.

// A frame that its page has written (`srcdoc`) has no address of its own.
let view = window
try {
  while (view != view.parent && view.location.protocol == "about:" && view.parent.document) view = view.parent
} catch {}

/** A target that was not reached by then, in ms, was a download or was stopped. */
const TARGET_MS = 60_000
/** A page that is closed is hidden within this time, in ms, after it was asked. */
const CLOSING_MS = 100

const site = url => url.hostname.replace(/^(www|m)\./, "")

/** An address without what makes it no other page: two ways to one product are one room. */
export const roomAt = ({ host, pathname }) => (host + pathname).replace(/\/+$/, "")

/** The room of this page. A canonical link to another site is not about this page. */
export const pageRoom = () => {
  const { location } = view
  try {
    const canonical = new URL(view.document.querySelector("link[rel=canonical]").href)
    const [here, there] = ["." + site(location), "." + site(canonical)]
    if (here.endsWith(there) || there.endsWith(here)) return roomAt(canonical)
  } catch {}
  return roomAt(location)
}

/** The language at an element, through the shadow roots that it is in. */
export const languageAt = node => {
  for (; node; node = node.getRootNode().host) {
    const marked = node.closest("[lang]")
    if (marked) return marked.getAttribute("lang")
  }
}

/** The same for all ways to name one room of this site. */
export const sameRoom = room => (room[0] == "/" ? view.location.host + room : room).replace(/\/+$/, "")

let target, targeted, asked

/**
 * What a page that is being hidden makes room for: 2 itself, 1 another page of its site, 0 anything else. A browser that
 * reloads a page names no target; it asks the page, then hides it when the answer arrives. A page that is closed is asked
 * and hidden at once.
 */
export const successor = () => {
  const { location } = view
  const now = Date.now()
  if (!(now - targeted < TARGET_MS)) return now - asked > CLOSING_MS ? 2 : 0
  return target.origin != location.origin ? 0 : 1 + (roomAt(target) == roomAt(location))
}

/** Calls `changed` whenever the room of the page or a language in the document may have changed. */
export const observe = changed => {
  const observer = new MutationObserver(changed)
  const observeRoot = root => observer.observe(root, { subtree: true, attributeFilter: ["lang"] })
  const { document, history, navigation } = view
  observer.observe(document.head, { subtree: true, childList: true, attributeFilter: ["rel", "href"] })
  observeRoot(document)
  view.addEventListener("popstate", changed)
  addEventListener("beforeunload", () => (asked = Date.now()))
  if (navigation) {
    navigation.addEventListener("currententrychange", changed)
    navigation.addEventListener("navigate", ({ destination, hashChange, downloadRequest }) => {
      if (!hashChange && downloadRequest == null) [target, targeted] = [new URL(destination.url), Date.now()]
    })
    navigation.addEventListener("navigatesuccess", () => (targeted = 0))
  } else {
    for (const name of ["pushState", "replaceState"]) {
      const original = history[name]
      history[name] = function (...all) {
        original.apply(this, all)
        changed()
      }
    }
  }
  return observeRoot
}
