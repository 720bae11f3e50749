//! Rules of the crate, held as tests.
