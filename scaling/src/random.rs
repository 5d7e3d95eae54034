//! Random numbers that can be repeated (SplitMix64).

/// Returns a random number that depends on `of` only.
pub(crate) fn mix(of: u64) -> u64 {
    let mut z = of.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Returns a random number from 0 to 1, excluding 1.
pub(crate) fn fraction(of: u64) -> f64 {
    // A double has 53 bits.
    (mix(of) >> 11) as f64 / (1_u64 << 53) as f64
}
