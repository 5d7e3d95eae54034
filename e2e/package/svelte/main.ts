// A site with Svelte.
import { mount } from "svelte"
import { loadPresence } from "live-presence"
import App from "./App.svelte"

void loadPresence("https://presence.example.com")
mount(App, { target: document.getElementById("app")! })
