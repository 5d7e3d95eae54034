// The order of modules.

/**
 * The order of each crate's modules, the lowest first: a module, with all that is in its folder, names only lower ones.
 * A crate is added with one line.
 */
export const orders = {
  "presence-core": [
    "id", "time", "trace", "testing", "cost_limit", "app", "io", "presence", "wire", "identity", "outputs", "local", "membership",
    "discovery", "facts", "replication", "pubsub", "receipts", "render", "node",
  ],
  "presence-server": [
    "transport", "problem", "close_reason", "input_topic", "clock", "planted", "rfc3339", "lru", "i18n", "policy", "asset", "client", "https_client", "memory",
    "supervision", "watched_files", "service_manager", "config", "secret", "signing", "telemetry", "traces", "certificate", "queries", "views", "contained_app", "history", "node_reports",
    "identity", "streams", "sites", "resolver", "store", "mux", "mesh", "nats", "carrier", "hub", "presence_events", "socket", "webhooks",
    "drawing_queue", "driver", "node_thread", "http", "monitor", "signals", "running", "command_line", "testing",
  ],
};
