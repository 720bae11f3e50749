//! The templates that only the service itself sends: what is done to an account.

use super::Template;
use super::fields::{Field, Kind};

const NAME: Field = line("name");
const LINK: Field = Field {
    name: "link",
    kind: Kind::Link,
    required: true,
};

const fn line(name: &'static str) -> Field {
    Field {
        name,
        kind: Kind::Line,
        required: true,
    }
}

pub(super) const TEMPLATES: &[Template] = &[Template {
    name: "new-device",
    subject: "A new login to your account",
    text: include_str!("new-device.txt"),
    html: include_str!("new-device.html"),
    fields: &[NAME, line("at"), line("network"), line("program"), LINK],
}];
