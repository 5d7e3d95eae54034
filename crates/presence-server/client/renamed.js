/**
 * While the server's secret is being changed, it tells a page the new signatures of its names. The page subscribes with them
 * when it connects again: by then the server may have dropped the secret that the old ones were signed with.
 */
export function useNewNames({ subscriptions }) {
  const names = new Map()
  document.addEventListener("presence:renamed", ({ detail: { from, to } }) => {
    names.set(from, to)
    for (const element of document.querySelectorAll(`[identifier="${from}"]`)) element.setAttribute("identifier", to)
  })

  const { reload } = subscriptions
  subscriptions.reload = () => {
    for (const subscription of subscriptions.subscriptions) {
      for (const [from, to] of names) subscription.identifier = subscription.identifier.replace(from, to)
    }
    names.clear()
    return reload.call(subscriptions)
  }
}
