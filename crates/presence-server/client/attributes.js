// Attributes that are properties, too: HTML has the ones, frameworks set the others.

/** Gives elements of a class a settable property for each of these attributes. `read` has those that are read in another way. */
export const reflect = (type, attributes, read = {}) => {
  for (const name in attributes) {
    const attribute = attributes[name]
    Object.defineProperty(type.prototype, name, {
      configurable: true,
      enumerable: true,
      get() {
        return read[name] ? read[name](this) : (this.getAttribute(attribute) ?? "")
      },
      // `undefined`, `null` and `false` are how frameworks remove an attribute.
      set(value) {
        if (value == null || value === false) this.removeAttribute(attribute)
        else this.setAttribute(attribute, value)
      },
    })
  }
}

/** Takes over what a framework has set before the element's script was loaded. */
export const adopt = (element, attributes) => {
  for (const name in attributes) {
    if (Object.hasOwn(element, name)) {
      const value = element[name]
      delete element[name]
      element[name] = value
    }
  }
}
