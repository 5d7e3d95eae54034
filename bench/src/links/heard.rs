//! What was heard over a link: how late each message was, and which ones are missing.

use serde_json::{Value, json};

/// Most latencies that are kept between two reports, for each link.
const LATENCIES_MAX: usize = 1 << 20;
/// A message begins with the time when it was published and with its number.
pub(crate) const HEAD_BYTES: usize = 16;

/// A message of this size.
pub(crate) fn message(sent_ns: u64, number: u64, bytes: usize) -> Vec<u8> {
    let mut message = vec![0; bytes.max(HEAD_BYTES)];
    message[..8].copy_from_slice(&sent_ns.to_be_bytes());
    message[8..HEAD_BYTES].copy_from_slice(&number.to_be_bytes());
    message
}

/// When a message was sent, and its number.
fn head(message: &[u8]) -> Option<(u64, u64)> {
    let sent = message.first_chunk::<8>()?;
    let number = message.get(8..)?.first_chunk::<8>()?;
    Some((u64::from_be_bytes(*sent), u64::from_be_bytes(*number)))
}

/// What one link delivered.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    received: u64,
    first: Option<u64>,
    highest: u64,
    overtaken: u64,
    latencies_us: Vec<u32>,
}

impl Heard {
    pub(crate) fn take(&mut self, bytes: &[u8], now_ns: u64) {
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

    /// Messages between the first and the last one that did not come.
    pub(crate) fn missing(&self) -> u64 {
        self.first.map_or(0, |first| (self.highest - first + 1).saturating_sub(self.received))
    }

    /// What it measured since the last report, which is forgotten; `all` is added to.
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

/// p50, p99 and the most, in milliseconds; `null` of none.
pub(crate) fn percentiles(us: &mut [u32]) -> Value {
    us.sort_unstable();
    let at = |part: f64| {
        let place = (us.len() as f64 * part).ceil() as usize;
        us.get(place.max(1) - 1).map(|us| f64::from(*us) / 1_000.0)
    };
    json!({ "count": us.len(), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_missing_or_overtaken_are_counted() {
        let mut heard = Heard::default();
        for number in [10, 12, 11, 15] {
            heard.take(&message(1_000_000, number, 200), 3_000_000);
        }
        heard.take(b"not one of ours", 0);
        assert_eq!((heard.received(), heard.missing(), heard.overtaken), (4, 2, 1));
        let mut all = vec![5_000];
        let report = heard.report("quic/a:1", &mut all);
        assert_eq!((&report["p50_ms"], &report["max_ms"], &report["count"]), (&json!(2.0), &json!(2.0), &json!(4)));
        assert_eq!(percentiles(&mut all)["max_ms"], json!(5.0));
        assert_eq!(heard.report("quic/a:1", &mut all)["count"], json!(0), "latencies are reported once");
        assert_eq!(heard.missing(), 2, "what is missing is counted from the beginning");
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut all: Vec<u32> = (1..=100).map(|ms| ms * 1_000).collect();
        let found = percentiles(&mut all);
        assert_eq!((&found["p50_ms"], &found["p99_ms"], &found["max_ms"]), (&json!(50.0), &json!(99.0), &json!(100.0)));
        assert_eq!(percentiles(&mut [])["p99_ms"], Value::Null);
    }
}
