//! What is wrong with a template, or with data for one, as it is told to whoever sent it.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use std::time::Duration;

use crate::api::http::{Fields, Problem};
use crate::jobs::Unrendered;
use crate::mail::{CompiledTemplate, Place};

/// The most bytes of data, as JSON: a long list of what somebody ordered.
const DATA_BYTES_MAX: usize = 64 * 1024;

/// How deep data may be.
const DATA_DEPTH_MAX: usize = 32;

/// When to try again after too much was rendered at once.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where in the request what stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Told {
    /// The data; none where there is none in the request.
    data: Option<&'static str>,
    /// What the template is named in; none where its parts are what was sent.
    template: Option<&'static str>,
}

/// What is no error and may be a mistake.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TemplateWarning)]
pub(in crate::api) struct Warning {
    /// What it is about, as a pointer into the data.
    pointer: String,
    /// What may be wrong.
    detail: String,
}

impl Told {
    /// By a request that names a template.
    pub(in crate::api) const OF_SENDING: Self = Self {
        data: Some("/data"),
        template: Some("/template"),
    };
    /// By a request that brings one.
    pub(in crate::api) const OF_WRITING: Self = Self {
        data: Some("/sample"),
        template: None,
    };
    /// By a request that brings one for mails of the service's own, whose data is nobody's to change.
    pub(super) const OF_REPLACING: Self = Self {
        data: None,
        template: None,
    };
    /// By a request that shows one.
    pub(super) const OF_PREVIEW: Self = Self {
        data: Some("/data"),
        template: None,
    };

    /// Notes in `fields` why nothing was rendered.
    ///
    /// # Errors
    /// Where that was not the fault of what was sent.
    pub(in crate::api) fn note(self, error: Unrendered, fields: &mut Fields) -> Result<(), Problem> {
        match error {
            Unrendered::Fault(fault) => {
                let part = match &fault.place {
                    Place::Data(pointer) => {
                        match self.data {
                            Some(data) => fields.refuse(&format!("{data}{pointer}"), fault.to_string()),
                            None => fields.refuse("", format!("{} {fault}", pointer.trim_start_matches('/'))),
                        }
                        return Ok(());
                    }
                    Place::Part(part) => part.as_str(),
                    Place::Layout(_) => "layout",
                };
                match self.template {
                    Some(pointer) => fields.refuse(pointer, format!("its {part}: {fault}")),
                    None => fields.refuse(&format!("/{part}"), fault.to_string()),
                }
            }
            Unrendered::Locale(known) => fields.refuse("/locale", no_locale(&known)),
            Unrendered::NoLayout => {
                fields.refuse(
                    "/layout",
                    "is no template of this workspace, or one that has a layout itself",
                );
            }
            Unrendered::Busy => {
                return Err(Problem::unavailable("too much is rendered just now", RETRY_AFTER));
            }
            error @ Unrendered::Unfinished(_) => return Err(Problem::internal(error)),
            Unrendered::Store(error) => return Err(error.into()),
        }
        Ok(())
    }
}

fn no_locale(known: &[String]) -> String {
    let known: Vec<&str> = known.iter().map(String::as_str).filter(|one| !one.is_empty()).collect();
    format!(
        "must be one that the template is written in, or narrower; those are: {}",
        known.join(", ")
    )
}

/// What may be mistakes in a template or its data.
pub(super) fn warnings_of(compiled: &CompiledTemplate, data: &Value, pointer: &'static str) -> Vec<Warning> {
    let doubts = compiled.doubts(data).into_iter().take(Fields::ERRORS_MAX);
    let warning = |(within, detail): (String, &str)| Warning {
        pointer: format!("{pointer}{within}"),
        detail: detail.to_owned(),
    };
    doubts.map(warning).collect()
}

/// Data for a template, an empty object where there is none, with what is wrong noted in `fields`.
pub(in crate::api) fn data_of(data: Option<Value>, pointer: &str, fields: &mut Fields) -> Option<Value> {
    let Some(data) = data else {
        return Some(Value::Object(serde_json::Map::new()));
    };
    let checked = if !data.is_object() {
        Err("must be an object".to_owned())
    } else if !is_shallow(&data) {
        Err(format!("must not be more than {DATA_DEPTH_MAX} deep"))
    } else if data.to_string().len() > DATA_BYTES_MAX {
        Err(format!("must have at most {DATA_BYTES_MAX} bytes"))
    } else {
        Ok(data)
    };
    fields.check(pointer, checked)
}

fn is_shallow(data: &Value) -> bool {
    let mut open = vec![(data, 1_usize)];
    while let Some((value, depth)) = open.pop() {
        if depth > DATA_DEPTH_MAX {
            return false;
        }
        let below = depth.saturating_add(1);
        match value {
            Value::Array(all) => open.extend(all.iter().map(|one| (one, below))),
            Value::Object(all) => open.extend(all.values().map(|one| (one, below))),
            _ => {}
        }
    }
    true
}
