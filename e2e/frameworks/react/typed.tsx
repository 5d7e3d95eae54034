// Only compiled: the declaration admits what the element has, and nothing else.
export const right = (
  <live-presence key="lamp" ref={(element: HTMLElement | null) => element?.focus()} room="/lamp" show="users" hide-below={2} token="t"
    lang="de" suppressHydrationWarning onpresence:change={({ detail }) => console.log(detail.users)}>
    <template><slot name="number" /></template>
  </live-presence>
)
// @ts-expect-error There is no such number.
export const wrong = <live-presence show="visitors" />
// @ts-expect-error There is no such event.
export const other = <live-presence onpresence:changed={() => {}} />
