//! Draws the terminal view of a real run of the example: `screenshot FILE`.

fn main() {}
