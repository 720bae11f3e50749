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

pub(super) const TEMPLATES: &[Template] = &[
    Template {
        name: "confirm-address",
        subject: "Please confirm your new address",
        text: include_str!("confirm-address.txt"),
        html: include_str!("confirm-address.html"),
        fields: &[NAME, LINK],
    },
    Template {
        name: "address-changed",
        subject: "The address of your account was changed",
        text: include_str!("address-changed.txt"),
        html: include_str!("address-changed.html"),
        fields: &[NAME, line("address"), LINK],
    },
    Template {
        name: "password-changed",
        subject: "Your password was changed",
        text: include_str!("password-changed.txt"),
        html: include_str!("password-changed.html"),
        fields: &[NAME, LINK],
    },
    Template {
        name: "password-reset",
        subject: "Set a new password",
        text: include_str!("password-reset.txt"),
        html: include_str!("password-reset.html"),
        fields: &[NAME, LINK],
    },
    Template {
        name: "deletion-asked",
        subject: "Your account will be deleted",
        text: include_str!("deletion-asked.txt"),
        html: include_str!("deletion-asked.html"),
        fields: &[NAME, line("at"), LINK],
    },
    Template {
        name: "new-device",
        subject: "A new login to your account",
        text: include_str!("new-device.txt"),
        html: include_str!("new-device.html"),
        fields: &[NAME, line("at"), line("network"), line("program"), LINK],
    },
];
