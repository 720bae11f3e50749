//! Headers that every route of work takes.
//!
//! Guarantees: each route that keeps keys says so, and no other one does.

use utoipa::Modify;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{OpenApi, RefOr};

use crate::api::idempotency::KEEPING;

/// Adds the headers to the operations.
pub(super) struct Asking;

impl Modify for Asking {
    fn modify(&self, document: &mut OpenApi) {
        let posts = document
            .paths
            .paths
            .iter_mut()
            .filter(|(path, _)| KEEPING.contains(&path.as_str()))
            .filter_map(|(_, item)| item.post.as_mut());
        for operation in posts {
            operation.parameters.get_or_insert_default().extend([
                header(
                    "Idempotency-Key",
                    "A word for this request, of 1 to 255 printable ASCII characters. The same request with the same word \
                     has one effect, and is answered as the first time.",
                ),
                header(
                    "Prefer",
                    "`wait=N` waits up to N seconds, at most 60, for the job to end; with `cancel-when-gone` beside it the job is \
                     cancelled if the client goes away meanwhile.",
                ),
            ]);
        }
    }
}

fn header(name: &str, told: &str) -> RefOr<Parameter> {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(told))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
        .into()
}
