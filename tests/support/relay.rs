//! The relay of the tests: what `legwork sandbox` is made of.

pub(crate) use legwork::sandbox::{Hold, Offer, OfferedLogin, OfferedTls, Relay, Step};
