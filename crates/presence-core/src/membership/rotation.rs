//! Naming many things a few at a time.

/// A bounded number of items, beginning behind those of last time.
pub(crate) fn in_turn<T: Copy>(all: &[T], turn: &mut usize, most: usize) -> Vec<T> {
    let from = *turn % all.len().max(1);
    *turn = from + most;
    all.iter().cycle().skip(from).take(most.min(all.len())).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named_in_turn() {
        let (all, mut turn) = ([1, 2, 3, 4, 5], 0);
        let said: Vec<Vec<i32>> = (0..3).map(|_| in_turn(&all, &mut turn, 2)).collect();
        assert_eq!(said, [vec![1, 2], vec![3, 4], vec![5, 1]]);
        assert_eq!(in_turn(&all[..1], &mut turn, 2), [1]);
        assert_eq!(in_turn::<i32>(&[], &mut turn, 2), Vec::<i32>::new());
    }
}
