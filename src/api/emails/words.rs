//! What a mail says: in the client's own words, or by a template.

use serde_json::{Value, json};

use super::NewEmailBody;
use crate::api::http::Fields;
use crate::domain::email::Subject;
use crate::jobs::kinds::EmailBody;
use crate::mail::{TemplateError, Templates};

/// The most bytes of the plain text: a novel's worth, and a quarter of the largest body.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// The most bytes of the HTML, which says the same at more length.
const HTML_BYTES_MAX: usize = 512 * 1024;

/// What the mail says, by exactly one of the two forms.
pub(super) fn words(body: NewEmailBody, templates: &Templates, fields: &mut Fields) -> Option<EmailBody> {
    let written = [
        ("/subject", body.subject.is_some()),
        ("/text", body.text.is_some()),
        ("/html", body.html.is_some()),
    ];
    let by_template = [("/template", body.template.is_some()), ("/data", body.data.is_some())];
    let given = |form: &[(&'static str, bool)]| form.iter().any(|(_, is_given)| *is_given);
    if given(&written) && given(&by_template) {
        for (pointer, _) in written.iter().chain(&by_template).filter(|(_, is_given)| *is_given) {
            fields.refuse(
                pointer,
                "give either subject, text and html, or template and data, not some of both",
            );
        }
        return None;
    }
    if given(&by_template) {
        template(body.template, body.data, templates, fields)
    } else {
        own_words(body, fields)
    }
}

fn own_words(body: NewEmailBody, fields: &mut Fields) -> Option<EmailBody> {
    let missing = "is required, unless a template is given";
    let subject = match body.subject {
        Some(subject) => fields.check("/subject", Subject::parse(&subject)),
        None => fields.check("/subject", Err(missing)),
    };
    let text = match body.text {
        Some(text) if text.trim().is_empty() => fields.check("/text", Err("must not be empty")),
        Some(text) => fields.check("/text", bounded(text, TEXT_BYTES_MAX)),
        None => fields.check("/text", Err(missing)),
    };
    let html = match body.html {
        Some(html) => fields.check("/html", bounded(html, HTML_BYTES_MAX).map(Some)),
        None => Some(None),
    };
    Some(EmailBody::Written {
        subject: subject?.as_str().to_owned(),
        text: text?,
        html: html?,
    })
}

fn template(
    name: Option<String>,
    data: Option<Value>,
    templates: &Templates,
    fields: &mut Fields,
) -> Option<EmailBody> {
    let name = fields.check("/template", name.ok_or("is required where data is given"))?;
    let data = data.unwrap_or_else(|| json!({}));
    match templates.check(&name, &data) {
        Ok(()) => return Some(EmailBody::Template { name, data }),
        Err(TemplateError::Field { pointer, problem }) => {
            fields.refuse(&format!("/data{pointer}"), problem.to_string());
        }
        Err(TemplateError::Unknown { known }) => {
            fields.refuse(
                "/template",
                format!("is not a known template; known are: {}", known.join(", ")),
            );
        }
        // Not reached: checking renders nothing.
        Err(TemplateError::Broken(_) | TemplateError::Subject(_)) => fields.refuse("/template", "cannot be used"),
    }
    None
}

fn bounded(text: String, bytes_max: usize) -> Result<String, String> {
    if text.len() <= bytes_max {
        Ok(text)
    } else {
        Err(format!("must have at most {bytes_max} bytes"))
    }
}
