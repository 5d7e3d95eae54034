//! The node itself: whether it works, its driver, its disk, its webhooks.

use std::fmt;

use super::ObservedNode;
use super::writer::MetricWriter;
use crate::clock::wall_ms;
use crate::contained_app::panics::outside;
use crate::http::readiness::ReportReader;
use crate::http::state::HttpState;
use crate::http::tls::BrowserTls;
use crate::input_topic::InputTopic;

pub(super) fn write(to: &mut MetricWriter<'_>, state: &HttpState, node: &ObservedNode) -> fmt::Result {
    let (mesh, readiness) = (state.views.mesh(), &state.readiness);
    let build =
        [("version", env!("CARGO_PKG_VERSION")), ("region", node.region.as_str()), ("node", node.name.as_str())];
    to.gauges("build_info", "The program, its region and its name", [(build, 1_u32)])?;
    let ready = readiness.report(&mesh, ReportReader::Anybody).ready;
    to.gauge("ready", "Whether visitors should be sent here", u32::from(ready))?;
    to.gauge("draining", "Whether the node is about to stop", u32::from(readiness.is_draining()))?;
    let faults = readiness.faults(&mesh);
    let faults = faults.iter().map(|(reason, holds)| ([("reason", *reason)], u32::from(*holds)));
    to.gauges("degraded", "What is wrong with the node; /readyz says it in words", faults)?;
    if let Some(limit) = readiness.memory().limit_bytes() {
        to.gauge("memory_limit_bytes", "How much memory the node may use", limit)?;
    }
    let ahead_ms = i128::from(state.views.now_ms()) - i128::from(wall_ms());
    let offset = f64::from(i32::try_from(ahead_ms).unwrap_or(if ahead_ms < 0 { i32::MIN } else { i32::MAX })) / 1_000.0;
    to.gauge("clock_offset_seconds", "How far the mesh's time is ahead of this machine's clock", offset)?;
    if let Some(ends_at) = node.tls.as_ref().and_then(BrowserTls::ends_at) {
        to.gauge("tls_certificate_expiry_timestamp_seconds", "When the certificate for browsers ends", ends_at)?;
    }
    if let Some(tls) = &node.tls {
        let handshakes = tls.handshakes().map(|(result, count)| ([("result", result)], count));
        to.counters("tls_handshakes", "TLS handshakes of browsers, by result", handshakes)?;
    }
    let suspended = mesh.suspended_ms as f64 / 1_000.0;
    to.counter("suspended_seconds", "How long the process was frozen, paused or without CPU time", suspended)?;
    let tasks = node.supervisor.parts().into_iter().map(|(task, is_up)| ([("task", task)], u32::from(is_up)));
    to.gauges("task_up", "Whether a task or thread that lives as long as the node is there", tasks)?;
    to.counter("wrong_api_keys", "Requests with a wrong API key", state.wrong_keys.total())?;
    driver(to, state, node)?;
    store(to, node)?;
    webhooks(to, node)?;
    traces(to, node)
}

fn traces(to: &mut MetricWriter<'_>, node: &ObservedNode) -> fmt::Result {
    let Some(spans) = node.traces.counts() else { return Ok(()) };
    to.counter("trace_spans_sent", "Spans that the collector of traces has accepted", spans.sent())?;
    to.counter("trace_spans_dropped", "Spans that did not reach the collector, or that it rejected", spans.dropped())
}

fn driver(to: &mut MetricWriter<'_>, state: &HttpState, node: &ObservedNode) -> fmt::Result {
    let turns = state.readiness.driver_turns();
    to.gauge(
        "driver_idle_seconds",
        "Time since the driver's last turn; it turns five times a second",
        turns.age().as_secs_f64(),
    )?;
    let by_topic = InputTopic::ALL.map(|topic| ([("input", topic.as_str())], topic));
    let inputs = by_topic.map(|(labels, topic)| (labels, turns.inputs_of(topic)));
    to.counters("driver_inputs", "Inputs that the driver handled, by what they are about", inputs)?;
    let took = by_topic.map(|(labels, topic)| (labels, turns.took(topic).as_secs_f64()));
    to.counters("driver_input_seconds", "How long these inputs took, with what followed from them", took)?;
    to.counter("driver_busy_seconds", "How long all inputs took", turns.busy().as_secs_f64())?;
    let queues = [("sockets", &node.inputs.sockets), ("mesh", &node.inputs.mesh)];
    let lengths = queues.map(|(name, queue)| ([("queue", name)], queue.max_capacity() - queue.capacity()));
    to.gauges("driver_queue_length", "Inputs that wait for the driver", lengths)?;
    let capacities = queues.map(|(name, queue)| ([("queue", name)], queue.max_capacity()));
    to.gauges("driver_queue_capacity", "How many inputs may wait", capacities)?;
    let panics = state.app.panics().map(|(function, count)| ([("function", function)], count));
    to.counters("app_panics", "Calls of the app that panicked, by function", panics)?;
    to.counter("panics", "Panics outside of the app, each of which ended a request, a task or a thread", outside())?;
    to.gauge("app_calls_stuck", "Calls of the app that have run for more than 100 ms", state.app.inspect())
}

fn store(to: &mut MetricWriter<'_>, node: &ObservedNode) -> fmt::Result {
    let Some(store) = &node.store else { return Ok(()) };
    let progress = store.progress();
    to.gauge("store_pending_records", "Records that wait for the disk", progress.pending)?;
    let oldest = progress.oldest.as_secs_f64();
    to.gauge("store_oldest_pending_seconds", "How long the oldest of them has waited", oldest)?;
    to.counter("store_commits", "Groups of records that were written", progress.commits)?;
    let took = progress.took.as_secs_f64();
    to.counter("store_commit_seconds", "How long the disk took for these groups", took)?;
    if let Some(bytes) = store.file_bytes() {
        to.gauge("store_file_bytes", "The size of the file of facts", bytes)?;
    }
    to.counter("store_failures", "Groups of records that could not be written and are tried again", progress.failures)
}

fn webhooks(to: &mut MetricWriter<'_>, node: &ObservedNode) -> fmt::Result {
    let Some(webhooks) = &node.webhooks else { return Ok(()) };
    let numbers: Vec<String> = (0..webhooks.receivers().len()).map(|number| number.to_string()).collect();
    let each = || numbers.iter().map(|number| [("receiver", number.as_str())]).zip(webhooks.receivers());
    let delivered = each().map(|(labels, receiver)| (labels, receiver.delivered()));
    to.counters("webhooks_delivered", "Webhooks that a receiver has accepted", delivered)?;
    let failed = each().map(|(labels, receiver)| (labels, receiver.failed()));
    to.counters("webhook_failures", "Tries to deliver a webhook that failed", failed)?;
    let pending = each().map(|(labels, receiver)| (labels, receiver.pending()));
    to.gauges("webhooks_pending", "Webhooks that wait for a receiver, the one that is being sent included", pending)?;
    let resyncs = each().map(|(labels, receiver)| (labels, receiver.resyncs()));
    let help = "Times that a receiver was to be sent the state of all rooms, instead of what it missed";
    to.counters("webhook_resyncs", help, resyncs)?;
    let oldest = each().map(|(labels, receiver)| (labels, receiver.oldest_pending().as_secs_f64()));
    to.gauges("webhook_oldest_pending_seconds", "How long the oldest webhook has waited", oldest)
}
