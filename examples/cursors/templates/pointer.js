// Tells where the pointer is: ten times a second at most, and always where it came to rest.
const field = document.querySelector("#field")
let due

field.addEventListener("pointermove", event => {
  const { left, top, width, height } = field.getBoundingClientRect()
  const along = (from, to, most) => Math.min(Math.max(Math.round((from / to) * most), 0), most)
  field.dataset.at = `${along(event.clientX - left, width, 1600)} ${along(event.clientY - top, height, 900)}`
  due ??= setTimeout(() => {
    due = undefined
    field.dispatchEvent(new Event("point"))
  }, 100)
})

field.addEventListener("pointerleave", () => {
  clearTimeout(due)
  due = undefined
})
