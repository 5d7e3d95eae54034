/**
 * Keeps a consumer of @rails/actioncable connected through deploys, sleep and changes of the network, also in a hidden tab, and
 * says when its page is hidden. The stock client connects again when a timer of a chain is due, and browsers let such timers
 * of hidden tabs wait for up to a minute.
 */
export function keepAwake(consumer) {
  const { connection } = consumer
  const { monitor, events } = connection
  let tries = 0
  let openedAt, timer

  // Each close begins a chain of its own, so that its timer is the first one of it. No two pages come back at once.
  const later = () => {
    clearTimeout(timer)
    const wait = Math.min(500 * 2 ** tries++, 30_000) * (0.5 + Math.random())
    if (monitor.isRunning()) timer = setTimeout(() => connection.open(), wait)
  }
  connection.events = {
    ...events,
    open(event) {
      events.open.call(this, event)
      openedAt = Date.now()
      if (document.hidden) visible()
    },
    close(event) {
      events.close.call(this, event)
      // A server that takes sockets and drops them at once is not asked again and again.
      if (Date.now() - openedAt > 10_000) tries = 0
      openedAt = undefined
      later()
    },
  }

  const visible = () => consumer.send({ command: "visible", visible: !document.hidden })
  const reopen = () => monitor.isRunning() && connection.reopen()
  const reopenIfStale = () => monitor.connectionIsStale() && reopen()

  document.addEventListener("visibilitychange", visible)
  document.addEventListener("resume", reopenIfStale)
  addEventListener("pageshow", reopenIfStale)
  addEventListener("online", reopen)

  // A machine that slept says nothing, but its clock has jumped. One that was set back would make no connection stale.
  let ticked = Date.now()
  setInterval(() => {
    const past = Date.now() - ticked
    ticked += past
    if (past < 0) reopen()
    else if (past > 5_000) reopenIfStale()
  }, 1_000)
}
