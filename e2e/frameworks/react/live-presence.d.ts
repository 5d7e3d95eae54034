import "react"

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "live-presence": React.HTMLAttributes<HTMLElement> & {
        room?: string
        show?: "looking" | "users" | "others" | "tabs" | "regions"
        "hide-below"?: number
        token?: string
      }
    }
  }
}
