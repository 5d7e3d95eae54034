// How the element looks. A sheet that is made by script needs no permission of the page's Content-Security-Policy, as an
// inline style would. States are the element's own, since a page that morphs its HTML removes attributes; the attributes
// of the same name serve browsers without states. What the page's server has printed keeps its box: no dot and no bold
// number that would move it.

const has = state => `:host(:is(:state(${state}),[data-${state}]))`

export const sheet = new CSSStyleSheet()
sheet.replaceSync(`
:host { color: var(--presence-color, inherit) }
${has("below")} { display: none }
[part=dot] {
  display: inline-block; vertical-align: .06em;
  width: var(--presence-dot-size, .5em); height: var(--presence-dot-size, .5em);
  margin-inline-end: var(--presence-gap, .45em); border-radius: 50%;
  background: var(--presence-dot-color, #1f9d5b); transition: background .3s
}
${has("stale")} [part=dot] { background: var(--presence-stale-color, #8a8f98); transition-delay: 2s }
[part=number] { color: var(--presence-number-color, inherit); font-weight: var(--presence-number-weight, 600) }
[part=avatar] {
  width: 1.4em; height: 1.4em; margin-inline-end: .25em; border-radius: 50%;
  object-fit: cover; vertical-align: middle
}
${has("printed")} [part=dot] { display: none }
${has("printed")} [part=number] { font-weight: var(--presence-number-weight, inherit) }
`)
