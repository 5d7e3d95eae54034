//! Plots on two logarithmic axes, as small SVG files; without it numbers would have no shape.

use std::fmt::Write as _;

/// A curve or measured points, with its name beside it.
pub struct Series {
    /// What it is.
    pub name: String,
    /// Which colour: 0 to 4.
    pub colour: usize,
    /// What is drawn as a line: the model.
    pub line: Vec<(f64, f64)>,
    /// What is drawn as dots: the simulation.
    pub dots: Vec<(f64, f64)>,
}

/// One plot.
pub struct Plot {
    /// Above it.
    pub title: String,
    /// Below it, with the unit.
    pub x: String,
    /// Beside it, with the unit.
    pub y: String,
    /// From where to where.
    pub x_range: (f64, f64),
    /// The same upwards.
    pub y_range: (f64, f64),
    /// All that is drawn.
    pub series: Vec<Series>,
    /// Levels that mean something, with what they mean.
    pub limits: Vec<(f64, String)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 366.0;
/// Names of curves are at least so far apart.
const LABEL_GAP: f64 = 17.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#3d444d}.t{font-size:15px;font-weight:600}.g{stroke:#8b949e;stroke-opacity:.3}\
.l{fill:none;stroke-width:2.2}.m{stroke:#8b949e;stroke-dasharray:5 4}.i{fill:#6e7781;font-style:italic}\
.c0{stroke:#0969da}.c1{stroke:#bc4c00}.c2{stroke:#1a7f37}.c3{stroke:#8250df}.c4{stroke:#bf3989}\
.f0{fill:#0969da}.f1{fill:#bc4c00}.f2{fill:#1a7f37}.f3{fill:#8250df}.f4{fill:#bf3989}\
@media(prefers-color-scheme:dark){text{fill:#c9d1d9}.i{fill:#9ea7b3}\
.c0{stroke:#58a6ff}.c1{stroke:#f0883e}.c2{stroke:#56d364}.c3{stroke:#bc8cff}.c4{stroke:#f778ba}\
.f0{fill:#58a6ff}.f1{fill:#f0883e}.f2{fill:#56d364}.f3{fill:#bc8cff}.f4{fill:#f778ba}}";

impl Plot {
    /// The file.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\">\n<title>{0}</title>\n<style>{STYLE}</style>\n\
             <text class=\"t\" x=\"{LEFT}\" y=\"24\">{0}</text>\n",
            escaped(&self.title),
        );
        self.axes(&mut svg);
        self.levels(&mut svg);
        for series in &self.series {
            self.curve(&mut svg, series);
        }
        self.names(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let part = |value: f64, (from, to): (f64, f64)| (value.max(1e-12) / from).ln() / (to / from).ln();
        let (right, up) = (part(x, self.x_range), part(y, self.y_range));
        (LEFT + right * (RIGHT - LEFT), BOTTOM - up * (BOTTOM - TOP))
    }

    fn inside(&self, (x, y): (f64, f64)) -> bool {
        let within = |value: f64, (from, to): (f64, f64)| value >= from * 0.999 && value <= to * 1.001;
        within(x, self.x_range) && within(y, self.y_range)
    }

    fn axes(&self, svg: &mut String) {
        for value in ticks(self.x_range) {
            let (x, _) = self.at((value, self.y_range.0));
            let _ = writeln!(svg, "<path class=\"g\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/>");
            let y = BOTTOM + 18.0;
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", short(value));
        }
        for value in ticks(self.y_range) {
            let (_, y) = self.at((self.x_range.0, value));
            let _ = writeln!(svg, "<path class=\"g\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
            let (x, y) = (LEFT - 8.0, y + 4.0);
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", short(value));
        }
        let (middle, below) = (f64::midpoint(LEFT, RIGHT), BOTTOM + 42.0);
        let _ = writeln!(svg, "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escaped(&self.x));
        let middle = f64::midpoint(TOP, BOTTOM);
        let _ = writeln!(
            svg,
            "<text transform=\"translate(18 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escaped(&self.y)
        );
    }

    fn levels(&self, svg: &mut String) {
        for (level, name) in &self.limits {
            let (_, y) = self.at((self.x_range.0, *level));
            let _ = writeln!(svg, "<path class=\"m\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
            let (x, y) = (LEFT + 6.0, y - 5.0);
            let _ = writeln!(svg, "<text class=\"i\" x=\"{x}\" y=\"{y:.1}\">{}</text>", escaped(name));
        }
    }

    fn curve(&self, svg: &mut String, series: &Series) {
        let points: Vec<String> = series
            .line
            .iter()
            .filter(|point| self.inside(**point))
            .map(|point| {
                let (x, y) = self.at(*point);
                format!("{x:.1} {y:.1}")
            })
            .collect();
        if !points.is_empty() {
            let _ = writeln!(svg, "<path class=\"l c{}\" d=\"M{}\"/>", series.colour, points.join("L"));
        }
        for (x, y) in series.dots.iter().filter(|dot| self.inside(**dot)).map(|dot| self.at(*dot)) {
            let _ = writeln!(svg, "<circle class=\"f{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>", series.colour);
        }
    }

    /// Each name stands where its curve ends, moved apart where two end together.
    fn names(&self, svg: &mut String) {
        let ends = self.series.iter().filter_map(|series| {
            let shown = series.line.iter().chain(&series.dots).filter(|point| self.inside(**point));
            let last = shown.max_by(|a, b| a.0.total_cmp(&b.0))?;
            Some((self.at(*last).1, series))
        });
        let mut ends: Vec<(f64, &Series)> = ends.collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut above = TOP - LABEL_GAP;
        let mut placed: Vec<f64> = ends
            .iter()
            .map(|(y, _)| {
                above = y.max(above + LABEL_GAP);
                above
            })
            .collect();
        let over = placed.last().map_or(0.0, |last| (last - BOTTOM).max(0.0));
        placed.iter_mut().for_each(|y| *y -= over);
        for ((_, series), y) in ends.iter().zip(placed) {
            let (x, y, colour) = (RIGHT + 10.0, y + 4.0, series.colour);
            let _ = writeln!(svg, "<text class=\"f{colour}\" x=\"{x}\" y=\"{y:.1}\">{}</text>", escaped(&series.name));
        }
    }
}

/// Powers of ten; where there are few of them, also twice and five times as much.
fn ticks((from, to): (f64, f64)) -> Vec<f64> {
    let between = if (to / from).log10() < 2.5 { &[1.0, 2.0, 5.0][..] } else { &[1.0][..] };
    let powers = from.log10().floor() as i32..=to.log10().ceil() as i32;
    let all = powers.flat_map(|power| between.iter().map(move |times| times * 10_f64.powi(power)));
    all.filter(|value| *value >= from * 0.999 && *value <= to * 1.001).collect()
}

/// 1000 → 1k.
#[must_use]
pub fn short(value: f64) -> String {
    let (part, unit) = match value.abs() {
        v if v >= 0.9995e9 => (value / 1e9, "G"),
        v if v >= 0.9995e6 => (value / 1e6, "M"),
        v if v >= 0.9995e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // Two digits that count.
    let digits = match part.abs() {
        part if part >= 9.95 => 0,
        part if part >= 0.995 => 1,
        _ => 2,
    };
    let text = format!("{part:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    format!("{text}{unit}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
