//! A board of dots, each of one colour: all that the picture consists of.

use super::{letters, png};

/// Columns and rows of dots.
pub(super) const COLUMNS: usize = 200;
pub(super) const ROWS: usize = 105;
/// A dot is in a square of this many pixels: 1,200 x 630 in all, the size that those who show links ask for.
const SQUARE: usize = 6;
const RADIUS: f64 = 2.6;
/// A pixel at the rim of a dot is covered by one, two or three thirds.
const LEVELS: usize = 4;

/// The colour of a dot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shade {
    None,
    Land,
    Faint,
    Text,
    People,
    Light,
    Glass,
}

/// What is between the dots.
const GROUND: [u8; 3] = [12, 19, 34];

impl Shade {
    const ALL: [Self; 7] = [Self::None, Self::Land, Self::Faint, Self::Text, Self::People, Self::Light, Self::Glass];

    fn colour(self) -> [u8; 3] {
        match self {
            Self::None => GROUND,
            Self::Land => [47, 66, 89],
            Self::Faint => [163, 174, 196],
            Self::Text => [233, 237, 246],
            Self::People => [255, 180, 84],
            Self::Light => [255, 210, 74],
            Self::Glass => [91, 103, 132],
        }
    }
}

/// The board.
pub(super) struct DotBoard {
    shades: Vec<Shade>,
}

impl DotBoard {
    /// Gives each dot the shade that `shade` returns for the middle of its column and row.
    pub(super) fn of(shade: impl Fn(f64, f64) -> Shade) -> Self {
        let all = (0..ROWS * COLUMNS).map(|at| shade((at % COLUMNS) as f64 + 0.5, (at / COLUMNS) as f64 + 0.5));
        Self { shades: all.collect() }
    }

    /// Writes a text, each dot of a letter `size` dots wide. What has no room is left out.
    pub(super) fn write(&mut self, text: &str, left: usize, top: usize, size: usize, shade: Shade) {
        for (column, row) in letters::dots(text) {
            for (x, y) in (0..size * size).map(|at| (left + column * size + at % size, top + row * size + at / size)) {
                if x < COLUMNS && y < ROWS {
                    self.shades[y * COLUMNS + x] = shade;
                }
            }
        }
    }

    /// The board as PNG.
    pub(super) fn png(&self) -> Vec<u8> {
        let covered: Vec<u8> = (0..SQUARE * SQUARE).map(|at| covered(at % SQUARE, at / SQUARE)).collect();
        let mut pixels = Vec::with_capacity(self.shades.len() * SQUARE * SQUARE);
        for row in self.shades.chunks_exact(COLUMNS) {
            for line in covered.chunks_exact(SQUARE) {
                for shade in row {
                    pixels.extend(line.iter().map(|level| (*shade as u8) * LEVELS as u8 + level));
                }
            }
        }
        let palette: Vec<[u8; 3]> = Shade::ALL
            .into_iter()
            .flat_map(|shade| (0..LEVELS).map(move |level| mixed(shade.colour(), level)))
            .collect();
        png::encode((COLUMNS * SQUARE) as u32, &pixels, &palette)
    }
}

/// How much of a pixel of a square the dot covers, in thirds: the share of sixteen points.
fn covered(x: usize, y: usize) -> u8 {
    let middle = SQUARE as f64 / 2.0;
    let off = |pixel: usize, part: usize| pixel as f64 + (part as f64 + 0.5) / 4.0 - middle;
    let points = (0..16).filter(|point| off(x, point % 4).hypot(off(y, point / 4)) <= RADIUS).count();
    u8::try_from((points * (LEVELS - 1) + 8) / 16).expect("at most three")
}

/// A colour over the ground.
fn mixed(colour: [u8; 3], level: usize) -> [u8; 3] {
    let mix = |at: usize| {
        let (over, under) = (usize::from(colour[at]), usize::from(GROUND[at]));
        u8::try_from((over * level + under * (LEVELS - 1 - level)) / (LEVELS - 1)).expect("between two bytes")
    };
    [mix(0), mix(1), mix(2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_is_full_in_its_middle_and_round() {
        let of = |x, y| usize::from(covered(x, y));
        assert_eq!((of(2, 2), of(0, 0)), (LEVELS - 1, 0));
        assert!((0..SQUARE).all(|at| of(at, 1) == of(1, at) && of(at, 1) == of(SQUARE - 1 - at, SQUARE - 2)));
        let rim: Vec<usize> = (0..SQUARE * SQUARE).map(|at| of(at % SQUARE, at / SQUARE)).collect();
        assert!((1..LEVELS - 1).any(|level| rim.contains(&level)));
    }

    #[test]
    fn a_text_that_has_no_room_is_cut_off() {
        let mut board = DotBoard::of(|_, _| Shade::None);
        board.write("11", COLUMNS - 3, ROWS - 5, 2, Shade::Text);
        assert!(board.shades.contains(&Shade::Text));
    }

    #[test]
    fn every_shade_has_its_place_in_the_palette() {
        assert!(Shade::ALL.into_iter().enumerate().all(|(at, shade)| shade as usize == at));
    }
}
