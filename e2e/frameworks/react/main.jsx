// In the browser: a page that the server has printed is taken over, an empty one is filled.
import { StrictMode } from "react"
import { createRoot, hydrateRoot } from "react-dom/client"
import { App } from "./app.jsx"

const root = document.querySelector("#root")
const app = (
  <StrictMode>
    <App path={location.pathname} printed={root.dataset.printed} />
  </StrictMode>
)
if (root.hasChildNodes()) hydrateRoot(root, app)
else createRoot(root).render(app)
