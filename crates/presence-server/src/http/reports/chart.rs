//! Lines of numbers by minute, drawn as SVG.

use std::fmt::Write as _;

use super::html::number;
use crate::http::markup::escaped;
use crate::http::occupancy::Minutes;
use crate::rfc3339::rfc3339;

const WIDTH: u32 = 600;
const HEIGHT: u32 = 120;
/// The time of day in an RFC 3339 text, without seconds.
const TIME_OF_DAY: std::ops::Range<usize> = 11..16;

/// A time of day: `08:15`.
pub(super) fn time_of_day(ms: u64) -> String {
    rfc3339(ms).get(TIME_OF_DAY).unwrap_or_default().to_owned()
}

/// A line over the last `span` minutes, up to the present one, with its highest number in words.
pub(super) fn chart(title: &str, minutes: &Minutes, span: usize) -> String {
    let title = escaped(title);
    let skipped = minutes.values.len().saturating_sub(span);
    let values = &minutes.values[skipped..];
    let first_ms = minutes.minute_ms(skipped);
    let Some((at, highest)) = values.iter().copied().enumerate().max_by_key(|(_, value)| *value) else {
        return format!("<figure><figcaption>{title}: no numbers yet</figcaption></figure>\n");
    };
    let peak = number(u64::from(highest));
    let now = number(u64::from(values.last().copied().unwrap_or_default()));
    let peak_at = time_of_day(minutes.minute_ms(skipped + at));
    let caption = format!("{title}: {now} now, at most {peak} at {peak_at} UTC");
    let mut points = String::new();
    // The present minute is at the right end, however few there are.
    let step = f64::from(WIDTH) / (span.max(2) - 1) as f64;
    for (index, value) in values.iter().enumerate() {
        let x = f64::from(WIDTH) - step * (values.len() - 1 - index) as f64;
        let y = f64::from(HEIGHT) * (1.0 - f64::from(*value) / f64::from(highest.max(1)));
        write!(points, "{x:.1},{y:.1} ").expect("writing to a string can't fail");
    }
    // The last point stands there twice: a line of one point would not be drawn.
    let end = points.trim_end().rsplit(' ').next().unwrap_or_default().to_owned();
    let start = f64::from(WIDTH) - step * (values.len() - 1) as f64;
    let from = time_of_day(first_ms);
    format!(
        "<figure><figcaption>{caption}</figcaption>\n\
         <svg viewBox=\"-2 -4 {} {}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{caption}, since {from}\">\
         <polygon points=\"{start:.1},{HEIGHT} {points}{WIDTH},{HEIGHT}\"/><polyline points=\"{points}{end}\"/></svg>\n</figure>\n",
        WIDTH + 4,
        HEIGHT + 8,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_number_touches_the_top_and_the_present_one_is_at_the_right_end() {
        let minutes = Minutes { from_ms: 1_800_000_000_000, values: vec![9, 0, 4, 2] };
        let drawn = chart("People", &minutes, 3);
        assert!(drawn.contains("People: 2 now, at most 4 at 08:02 UTC"), "{drawn}");
        assert!(drawn.contains("<polyline points=\"0.0,120.0 300.0,0.0 600.0,60.0 600.0,60.0\"/>"), "{drawn}");
        assert!(chart("<b>", &Minutes::default(), 3).contains("&lt;b&gt;: no numbers yet"));
    }
}
