import "react"

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "live-presence": React.DetailedHTMLProps<React.HTMLAttributes<HTMLElement>, HTMLElement> & {
        room?: string | null
        show?: "looking" | "users" | "others" | "tabs" | "regions" | "people" | null
        "hide-below"?: number | string | null
        token?: string | null
        "onpresence:change"?: (event: CustomEvent) => void
        "onpresence:stale"?: (event: CustomEvent) => void
      }
    }
  }
}
