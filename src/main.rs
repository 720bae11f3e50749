//! The command line of Legwork.

fn main() {}
