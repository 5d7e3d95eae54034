//! Messages received over a link: how late each was, and how many are missing.

use presence_bench::statistics::{ms, percentile};
use serde_json::{Value, json};

/// Latencies that are kept for a link between two reports.
const LATENCIES_MAX: usize = 1 << 20;
/// A message begins with the time of its publication and its number.
pub(crate) const HEAD_BYTES: usize = 16;

/// Makes a message of this size.
pub(crate) fn message(sent_ns: u64, number: u64, bytes: usize) -> Vec<u8> {
    let mut message = vec![0; bytes.max(HEAD_BYTES)];
    message[..8].copy_from_slice(&sent_ns.to_be_bytes());
    message[8..HEAD_BYTES].copy_from_slice(&number.to_be_bytes());
    message
}

/// Reads when a message was sent, and its number.
fn head(message: &[u8]) -> Option<(u64, u64)> {
    let sent = message.first_chunk::<8>()?;
    let number = message.get(8..)?.first_chunk::<8>()?;
    Some((u64::from_be_bytes(*sent), u64::from_be_bytes(*number)))
}

/// Messages that one link delivered.
#[derive(Debug, Default)]
pub(crate) struct LinkStatistics {
    received: u64,
    first: Option<u64>,
    highest: u64,
    overtaken: u64,
    latencies_us: Vec<u32>,
}

impl LinkStatistics {
    pub(crate) fn record(&mut self, bytes: &[u8], now_ns: u64) {
        let Some((sent_ns, number)) = head(bytes) else { return };
        self.received += 1;
        self.first = Some(self.first.map_or(number, |first| first.min(number)));
        if number < self.highest {
            self.overtaken += 1;
        }
        self.highest = self.highest.max(number);
        if self.latencies_us.len() < LATENCIES_MAX {
            self.latencies_us.push(u32::try_from(now_ns.saturating_sub(sent_ns) / 1_000).unwrap_or(u32::MAX));
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Returns how many messages between the first and the last one are missing.
    pub(crate) fn missing(&self) -> u64 {
        self.first.map_or(0, |first| (self.highest - first + 1).saturating_sub(self.received))
    }

    /// Reports the latencies since the last report, adds them to `all`, and drops them.
    pub(crate) fn report(&mut self, address: &str, all: &mut Vec<u32>) -> Value {
        let mut latencies = std::mem::take(&mut self.latencies_us);
        all.extend_from_slice(&latencies);
        let mut line = percentiles(&mut latencies);
        line["address"] = address.into();
        line["received"] = self.received.into();
        line["missing"] = self.missing().into();
        line["overtaken"] = self.overtaken.into();
        line
    }
}

/// Median, 99th percentile and maximum in milliseconds; `null` for no latencies.
pub(crate) fn percentiles(us: &mut [u32]) -> Value {
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| (!us.is_empty()).then(|| ms(percentile(us, part))));
    json!({ "count": us.len(), "p50_ms": p50, "p99_ms": p99, "max_ms": max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_missing_or_overtaken_are_counted() {
        let mut link = LinkStatistics::default();
        for number in [10, 12, 11, 15] {
            link.record(&message(1_000_000, number, 200), 3_000_000);
        }
        link.record(b"not one of ours", 0);
        assert_eq!((link.received(), link.missing(), link.overtaken), (4, 2, 1));
        let mut all = vec![5_000];
        let report = link.report("quic/a:1", &mut all);
        assert_eq!((&report["p50_ms"], &report["max_ms"], &report["count"]), (&json!(2.0), &json!(2.0), &json!(4)));
        assert_eq!(percentiles(&mut all)["max_ms"], json!(5.0));
        assert_eq!(link.report("quic/a:1", &mut all)["count"], json!(0), "latencies are reported once");
        assert_eq!(link.missing(), 2, "what is missing is counted from the beginning");
    }

    #[test]
    fn no_latencies_have_no_percentiles() {
        assert_eq!(percentiles(&mut [])["p99_ms"], Value::Null);
    }
}
