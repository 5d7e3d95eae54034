import { Application } from "@hotwired/stimulus"
import { createConsumer } from "@rails/actioncable"
import CableReady from "cable_ready"
import StimulusReflex from "stimulus_reflex"

const application = Object.assign(Application.start(), { consumer: createConsumer() })
const room = document.querySelector("meta[name=presence-room]").content
StimulusReflex.initialize(application, { isolate: true, params: { room } })
CableReady.initialize({ consumer: application.consumer })
