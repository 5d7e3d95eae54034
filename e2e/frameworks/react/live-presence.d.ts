import "react"

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "live-presence": React.HTMLAttributes<HTMLElement> & {
        room?: string | null
        show?: "looking" | "users" | "others" | "tabs" | "regions" | "people" | null
        "hide-below"?: number | string | null
        token?: string | null
      }
    }
  }
}
