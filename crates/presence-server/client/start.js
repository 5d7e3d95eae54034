import { Application } from "@hotwired/stimulus"
import { createConsumer } from "@rails/actioncable"
import CableReady from "cable_ready"
import StimulusReflex from "stimulus_reflex"
import { keepAwake } from "./awake.js"
import { useNewNames } from "./renamed.js"

// This page, the same for all its sockets: the next one takes the place of one that the network has cut.
const tab = crypto.getRandomValues(new Uint32Array(4)).join("-")
const cable = document.querySelector("meta[name=action-cable-url]")?.content ?? "/cable"
const application = Object.assign(Application.start(), { consumer: createConsumer(`${cable}?tab=${tab}`) })
keepAwake(application.consumer)
useNewNames(application.consumer)
const room = document.querySelector("meta[name=presence-room]").content
StimulusReflex.initialize(application, { isolate: true, params: { room } })
CableReady.initialize({ consumer: application.consumer })
