//! The letters of the picture, as dots.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A character, then its nine rows from the top; an empty line between two characters. Two rows are below the line.
const TABLE: &str = include_str!("../../data/letters.txt");

static LETTERS: LazyLock<BTreeMap<char, Vec<&'static str>>> = LazyLock::new(|| {
    let blocks = TABLE.split("\n\n").filter_map(|block| block.trim().split_once('\n'));
    blocks.filter_map(|(name, rows)| Some((name.chars().next()?, rows.lines().collect()))).collect()
});

/// Columns of what has no letter, such as a space.
const SPACE: usize = 3;

/// Returns the dots of a text as columns and rows, the first row on top.
pub(super) fn dots(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut left = 0;
    text.chars().flat_map(move |letter| {
        let rows: &[&str] = LETTERS.get(&letter).map_or(&[], Vec::as_slice);
        let from = left;
        left += rows.first().map_or(SPACE, |row| row.len()) + 1;
        let lit = |row: &'static str| row.bytes().enumerate().filter(|(_, dot)| *dot == b'#').map(|(column, _)| column);
        rows.iter().enumerate().flat_map(move |(y, row)| lit(row).map(move |column| (from + column, y)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_nine_rows_of_one_length() {
        assert!(LETTERS.len() > 20);
        for (letter, rows) in LETTERS.iter() {
            assert_eq!(rows.len(), 9, "{letter}");
            assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{letter}");
        }
    }

    #[test]
    fn letters_stand_one_after_another() {
        let columns = |text: &str| dots(text).map(|(column, _)| column).max();
        assert_eq!(columns("1"), Some(2));
        assert_eq!(columns("11"), Some(6));
        assert_eq!(columns("1 1"), Some(10));
        assert_eq!(columns("\u{1f44b}"), None);
    }
}
