//! Fits constants to measurements, which splits CPU and memory into rows, drawings and heartbeats.

/// Rounds until the constants no longer change.
const ROUNDS: usize = 20_000;

/// Finds constants, none negative, with the least relative error of `features · constants` (coordinate descent).
pub(crate) fn fit<const N: usize>(samples: &[([f64; N], f64)]) -> [f64; N] {
    let mut constants = [0.0; N];
    // Each sample has the same weight.
    let samples: Vec<[f64; N]> = samples.iter().map(|(features, sum)| features.map(|feature| feature / sum)).collect();
    for _ in 0..ROUNDS {
        for constant in 0..N {
            let (mut over, mut under) = (0.0, 0.0);
            for features in &samples {
                let others: f64 = (0..N).filter(|n| *n != constant).map(|n| features[n] * constants[n]).sum();
                over += features[constant] * (1.0 - others);
                under += features[constant] * features[constant];
            }
            constants[constant] = if under > 0.0 { (over / under).max(0.0) } else { 0.0 };
        }
    }
    constants
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_constants_are_found() {
        let samples: Vec<([f64; 3], f64)> = (1..9_u32)
            .map(|n| {
                let features = [f64::from(n), f64::from(n * n % 7), 1.0];
                (features, 3.0 * features[0] + 0.5 * features[1] + 4.0)
            })
            .collect();
        let found = super::fit(&samples);
        for (found, wanted) in found.into_iter().zip([3.0, 0.5, 4.0]) {
            assert!((found - wanted).abs() < 0.01, "{found} is not {wanted}");
        }
    }
}
