// A site with Vue.
import { createApp } from "vue"
import { loadPresence } from "live-presence"
import App from "./App.vue"

void loadPresence("https://presence.example.com")
createApp(App).mount("#app")
