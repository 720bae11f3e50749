//! What is to become of a mail of which nobody can know whether it went out, under its name and under the one of release 0.1.0.

use crate::api::http::Fields;
use crate::domain::job::{OnUncertain, WhenUncertain};

/// The rule that a body asks for.
pub(super) fn rule(
    on_uncertain: Option<OnUncertain>,
    when_uncertain: Option<WhenUncertain>,
    fields: &mut Fields,
) -> WhenUncertain {
    match (on_uncertain, when_uncertain) {
        (Some(_), Some(_)) => {
            for pointer in ["/on_uncertain", "/when_uncertain"] {
                fields.refuse(pointer, "give on_uncertain alone; when_uncertain is its name of old");
            }
            WhenUncertain::Hold
        }
        (Some(on), None) => on.rule(),
        (None, Some(when)) => when,
        (None, None) => WhenUncertain::Repeat,
    }
}
