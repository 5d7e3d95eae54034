//! Chance that can be replayed (SplitMix64); without it no two runs of a scenario would be the same.

/// A number that looks random and follows from `of` alone.
#[must_use]
pub fn mix(of: u64) -> u64 {
    let mut z = of.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// In 0..1.
#[must_use]
pub fn fraction(of: u64) -> f64 {
    // 53 bits are what a double holds.
    (mix(of) >> 11) as f64 / (1_u64 << 53) as f64
}
