//! What a node says about the mesh, and the lines that show it.

use serde_json::Value;

/// Most nodes and reasons that are shown.
const NODES_MAX: usize = 200;
const REASONS_MAX: usize = 20;

/// What a node has answered.
pub(super) struct MeshSample {
    node: String,
    version: String,
    ready: bool,
    /// Of the whole world, added up over rooms.
    users: u64,
    unsure: u64,
    tabs: u64,
    /// Of the node that answers.
    sockets: u64,
    regions_heard: u64,
    regions_known: u64,
    nodes: Vec<NodeLine>,
    degraded: Vec<String>,
}

struct NodeLine {
    node: String,
    region: String,
    state: String,
    via: String,
    heard_ms_ago: u64,
    round_trip_ms: Option<u64>,
    behind: u64,
    counts_us: bool,
}

impl MeshSample {
    /// Reads the answers of `/api/v1/mesh`, `/readyz` and `/metrics`; `None` if they are not a node's.
    pub(super) fn read(mesh: &Value, report: &Value, metrics: &str) -> Option<Self> {
        let labels = series(metrics, "presence_build_info").next()?.0;
        let sum = |name: &str, label: &str| {
            let values = series(metrics, name).filter(|(labels, _)| labels.contains(label));
            values.map(|(_, value)| value.parse::<f64>().unwrap_or_default() as u64).sum()
        };
        let reasons = report["degraded"].as_array()?.iter().filter_map(Value::as_str);
        Some(Self {
            node: label(labels, "node")?,
            version: label(labels, "version")?,
            ready: report["ready"].as_bool()?,
            users: sum("presence_users", "certainty=\"sure\""),
            unsure: sum("presence_users", "certainty=\"unsure\""),
            tabs: sum("presence_tabs", ""),
            sockets: sum("presence_sockets", ""),
            regions_heard: mesh["regions_heard"].as_u64()?,
            regions_known: mesh["regions_known"].as_u64()?,
            nodes: mesh["nodes"].as_array()?.iter().take(NODES_MAX).filter_map(NodeLine::read).collect(),
            degraded: reasons.take(REASONS_MAX).map(printable).collect(),
        })
    }
}

impl NodeLine {
    fn read(node: &Value) -> Option<Self> {
        let text = |name: &str| node[name].as_str().map(printable);
        let (sequence, whole) = (node["sequence"].as_u64()?, node["whole"].as_u64()?);
        Some(Self {
            node: text("node")?,
            region: text("region")?,
            state: text("state")?,
            via: text("via").unwrap_or_else(|| "-".to_owned()),
            heard_ms_ago: node["heard_ms_ago"].as_u64()?,
            round_trip_ms: node["round_trip_ms"].as_u64(),
            behind: sequence.saturating_sub(whole),
            counts_us: node["counts_us"].as_bool()?,
        })
    }
}

/// The series of a metric: labels, and the value as text.
fn series<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        match rest.strip_prefix('{') {
            Some(labeled) => labeled.rsplit_once("} "),
            None => rest.strip_prefix(' ').map(|value| ("", value)),
        }
    })
}

fn label(labels: &str, name: &str) -> Option<String> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| printable(value))
}

/// Without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The table, with what is wrong below it.
pub(super) fn lines(sample: &MeshSample) -> Vec<String> {
    let ready = if sample.ready { "ready" } else { "not ready" };
    let mut lines = vec![
        format!(
            "{} {}, {ready}, hears {} of {} regions",
            sample.node, sample.version, sample.regions_heard, sample.regions_known
        ),
        format!(
            "{} users, {} unsure, {} tabs in all rooms; {} sockets here",
            sample.users, sample.unsure, sample.tabs, sample.sockets
        ),
        String::new(),
    ];
    let header = ["NODE", "REGION", "STATE", "VIA", "HEARD", "ROUND TRIP", "BEHIND", "COUNTS US"].map(str::to_owned);
    let rows = sample.nodes.iter().map(|node| {
        [
            node.node.clone(),
            node.region.clone(),
            node.state.clone(),
            node.via.clone(),
            format!("{} ms", node.heard_ms_ago),
            node.round_trip_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms")),
            node.behind.to_string(),
            if node.counts_us { "yes" } else { "no" }.to_owned(),
        ]
    });
    lines.extend(table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()));
    if !sample.degraded.is_empty() {
        lines.extend([String::new(), "Degraded:".to_owned()]);
        lines.extend(sample.degraded.iter().map(|reason| format!("- {reason}")));
    }
    lines
}

fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const METRICS: &str = "# HELP presence_users Users\npresence_users{certainty=\"sure\"} 12\npresence_users{certainty=\"unsure\"} 2\n\
        presence_tabs 17\npresence_sockets{protocol=\"a\"} 3\npresence_sockets{protocol=\"b\"} 4\npresence_sockets_opened_total 99\n\
        presence_build_info{version=\"0.1.0\",commit=\"c\",region=\"ams\",node=\"ams-1\"} 1\n";

    fn node(name: &str, more: &Value) -> Value {
        let mut node = json!({"node": name, "region": "ams", "state": "live", "via": null, "heard_ms_ago": 0,
            "round_trip_ms": null, "sequence": 7, "whole": 7, "counts_us": true});
        more.as_object().unwrap().iter().for_each(|(name, value)| node[name] = value.clone());
        node
    }

    #[test]
    fn a_sample_is_a_table_that_names_what_is_wrong() {
        let other = json!({"region": "iad", "state": "silent", "heard_ms_ago": 4200, "round_trip_ms": 88, "whole": 4, "via": "lhr-1", "counts_us": false});
        let mesh = json!({"regions_heard": 1, "regions_known": 2, "nodes": [node("ams-1", &json!({})), node("iad-\u{1b}[2J", &other)]});
        let report = json!({"ready": true, "degraded": ["Node iad-1 in iad is silent."]});
        let shown = lines(&MeshSample::read(&mesh, &report, METRICS).unwrap());
        assert_eq!(
            shown,
            [
                "ams-1 0.1.0, ready, hears 1 of 2 regions",
                "12 users, 2 unsure, 17 tabs in all rooms; 7 sockets here",
                "",
                "NODE      REGION  STATE   VIA    HEARD    ROUND TRIP  BEHIND  COUNTS US",
                "ams-1     ams     live    -      0 ms     -           0       yes",
                "iad-\u{fffd}[2J  iad     silent  lhr-1  4200 ms  88 ms       3       no",
                "",
                "Degraded:",
                "- Node iad-1 in iad is silent.",
            ]
        );
    }

    #[test]
    fn what_no_node_has_said_is_no_sample() {
        let mesh = json!({"regions_heard": 1, "regions_known": 1, "nodes": null});
        let report = json!({"ready": true, "degraded": []});
        assert!(MeshSample::read(&mesh, &report, METRICS).is_none(), "a key that may not see nodes");
        assert!(MeshSample::read(&json!({}), &json!({}), "").is_none());
    }
}
