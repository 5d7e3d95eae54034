//! The site: one binary that runs a node and draws the demo page.

fn main() {}
