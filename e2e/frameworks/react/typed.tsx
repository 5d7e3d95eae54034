// Only compiled: the declaration admits what the element has, and nothing else.
export const right = (
  <live-presence room="/lamp" show="users" hide-below={2} token="t" lang="de" suppressHydrationWarning>
    <template><slot name="number" /></template>
  </live-presence>
)
// @ts-expect-error There is no such number.
export const wrong = <live-presence show="visitors" />
