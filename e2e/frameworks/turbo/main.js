// Pages of a server, between which Turbo Drive goes without loading them whole.
import * as Turbo from "@hotwired/turbo"

window.Turbo = Turbo
