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
        let keeping = document
            .paths
            .paths
            .iter_mut()
            .filter(|(path, _)| KEEPING.contains(&path.as_str()));
        for (path, item) in keeping {
            let Some(operation) = item.post.as_mut() else { continue };
            let parameters = operation.parameters.get_or_insert_default();
            parameters.push(header(
                "Idempotency-Key",
                text().pattern(Some(KEY)),
                "A word for this request, of 1 to 255 printable ASCII characters, quoted or not. The same request with the \
                 same word has one effect, and is answered as the first time.",
            ));
            if path != MANY {
                parameters.push(header(
                    "Prefer",
                    text(),
                    "`wait=N` waits up to N seconds, at most 60, for the job to end; with `cancel-when-gone` beside it the job is \
                     cancelled if the client goes away meanwhile.",
                ));
            }
        }
    }
}

/// The route that answers with many jobs, for which nobody waits.
const MANY: &str = "/v1/emails/batch";

/// A key, plain or as a string of structured fields (RFC 8941, 3.3.3); blanks around it are none of it.
const KEY: &str = r#"^([!#-~]([ -~]{0,253}[!-~])?|"([ !#-\[\]-~]|\\["\\]){1,255}")$"#;

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn header(name: &str, schema: ObjectBuilder, told: &str) -> RefOr<Parameter> {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(told))
        .schema(Some(schema))
        .build()
        .into()
}
