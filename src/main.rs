//! The roboppi command line.

fn main() {}
