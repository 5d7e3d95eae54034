// On the server: what is in the page before any script runs.
import { StrictMode } from "react"
import { renderToString } from "react-dom/server"
import { App } from "./app.jsx"

export const render = (path, printed) => renderToString(
  <StrictMode>
    <App path={path} printed={printed} />
  </StrictMode>,
)
