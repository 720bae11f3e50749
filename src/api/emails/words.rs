//! What a mail says: in the client's own words, or by a template, which is rendered here, so that an error in it is an answer and
//! not a job that fails.

use std::sync::Arc;

use serde_json::Value;

use super::NewEmailBody;
use super::surroundings::Surroundings;
use crate::api::http::{Fields, Problem};
use crate::api::templates::{Told, data_of};
use crate::domain::email::Subject;
use crate::domain::id::WorkspaceId;
use crate::domain::template::Locale;
use crate::jobs::UsedTemplate;
use crate::jobs::kinds::{EmailBody, MadeBy};
use crate::mail::{Content, TemplateError, text_of_html};

/// The most bytes of the plain text: a novel's worth, and a quarter of the largest body.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// The most bytes of the HTML, which says the same at more length.
const HTML_BYTES_MAX: usize = 512 * 1024;

/// The words of a mail, and by which template they were made.
type Words = (EmailBody, Option<MadeBy>);

/// What the mail says, by exactly one of the two forms.
pub(super) async fn words(
    body: NewEmailBody,
    surroundings: &Surroundings<'_>,
    fields: &mut Fields,
) -> Result<Option<Words>, Problem> {
    let written = [
        ("/subject", body.subject.is_some()),
        ("/text", body.text.is_some()),
        ("/html", body.html.is_some()),
    ];
    let by_template = [
        ("/template", body.template.is_some()),
        ("/data", body.data.is_some()),
        ("/locale", body.locale.is_some()),
    ];
    let given = |form: &[(&'static str, bool)]| form.iter().any(|(_, is_given)| *is_given);
    if given(&written) && given(&by_template) {
        for (pointer, _) in written.iter().chain(&by_template).filter(|(_, is_given)| *is_given) {
            fields.refuse(
                pointer,
                "give either subject, text and html, or template and data, not some of both",
            );
        }
        return Ok(None);
    }
    if given(&by_template) {
        template(body, surroundings, fields).await
    } else {
        let words = own_words(body, surroundings, fields).await?;
        Ok(words.map(|words| (words, None)))
    }
}

/// What the client wrote; where that is HTML alone, with the text of it.
async fn own_words(
    body: NewEmailBody,
    surroundings: &Surroundings<'_>,
    fields: &mut Fields,
) -> Result<Option<EmailBody>, Problem> {
    let missing = "is required, unless a template is given";
    let subject = match body.subject {
        Some(subject) => fields.check("/subject", Subject::parse(&subject)),
        None => fields.check("/subject", Err(missing)),
    };
    let text = match body.text {
        Some(text) if text.trim().is_empty() => fields.check("/text", Err("must not be empty")),
        Some(text) => fields.check("/text", bounded(text, TEXT_BYTES_MAX).map(Some)),
        None if body.html.is_some() => Some(None),
        None => fields.check("/text", Err("is required, unless HTML or a template is given")),
    };
    let html = match body.html {
        // Beside a text it is as good as none.
        Some(html) if html.trim().is_empty() => match text {
            Some(None) => fields.check("/html", Err("must not be empty")),
            _ => Some(None),
        },
        Some(html) => fields.check("/html", bounded(html, HTML_BYTES_MAX).map(Some)),
        None => Some(None),
    };
    let (Some(subject), Some(text), Some(html)) = (subject, text, html) else {
        return Ok(None);
    };
    let (text, html) = match (text, html) {
        (Some(text), html) => (text, html),
        (None, Some(html)) if fields.is_fine() => match text_of(html, subject.clone(), surroundings, fields).await? {
            Some((text, html)) => (text, Some(html)),
            None => return Ok(None),
        },
        // The mail is refused already, so that nothing is made for it.
        (None, _) => return Ok(None),
    };
    let subject = subject.as_str().to_owned();
    Ok(Some(EmailBody::Written { subject, text, html }))
}

/// The text of this HTML, and that again.
async fn text_of(
    html: String,
    subject: Subject,
    surroundings: &Surroundings<'_>,
    fields: &mut Fields,
) -> Result<Option<(String, String)>, Problem> {
    // Where it is nobody's own, an operator asks, for jobs of all.
    let workspace = surroundings.workspace.unwrap_or(WorkspaceId::SERVICE);
    let made = surroundings.state.library.run(workspace, move || {
        text_of_html(&html, &subject).map(|text| (text, html))
    });
    match made.await {
        Ok(Ok((text, html))) if text.len() <= TEXT_BYTES_MAX => return Ok(Some((text, html))),
        Ok(Ok(_)) => {
            let words =
                format!("needs a text beside it, since the one made from it has more than {TEXT_BYTES_MAX} bytes");
            fields.refuse("/html", words);
        }
        Ok(Err(fault)) => fields.refuse("/html", format!("needs a text beside it, since it {fault}")),
        Err(error) => Told::OF_WRITING.note(error, fields)?,
    }
    Ok(None)
}

async fn template(
    body: NewEmailBody,
    surroundings: &Surroundings<'_>,
    fields: &mut Fields,
) -> Result<Option<Words>, Problem> {
    let name = body.template.ok_or("is required where data or a locale is given");
    let name: Option<String> = fields.check("/template", name);
    let locale = body
        .locale
        .map(|locale| fields.check("/locale", Locale::parse(&locale)));
    let data = data_of(body.data, "/data", fields);
    let (Some(name), Some(data)) = (name, data) else {
        return Ok(None);
    };
    let locale = match locale {
        Some(None) => return Ok(None),
        Some(locale) => locale,
        None => None,
    };
    let data = Arc::new(data);
    let state = surroundings.state;
    if let Some(workspace) = surroundings.workspace {
        let rendered = state.library.render(workspace, &name, locale.as_ref(), &data).await;
        match rendered {
            Ok(Some((content, used))) => return Ok(Some(made(content, used, &data))),
            Ok(None) => {}
            Err(error) => return Told::OF_SENDING.note(error, fields).map(|()| None),
        }
    }
    match state.postbox.templates().check(&name, &data) {
        // It cannot fail any more, and is rendered when it is sent: so its mails cost no more to accept than others.
        Ok(()) => {
            let data = Arc::unwrap_or_clone(data);
            return Ok(Some((EmailBody::Template { name, data }, None)));
        }
        Err(TemplateError::Field { pointer, problem }) => {
            fields.refuse(&format!("/data{pointer}"), problem.to_string());
        }
        Err(TemplateError::Unknown { known }) => {
            let known = known.join(", ");
            let words = format!("is no template of this workspace, and not a built-in one; those are: {known}");
            fields.refuse("/template", words);
        }
        // Not reached: checking renders nothing.
        Err(error @ (TemplateError::Broken(_) | TemplateError::Subject(_))) => return Err(Problem::internal(error)),
    }
    Ok(None)
}

fn made(content: Content, template: UsedTemplate, data: &Value) -> Words {
    let words = EmailBody::Written {
        subject: content.subject.as_str().to_owned(),
        text: content.text,
        html: content.html,
    };
    let data = data.clone();
    (words, Some(MadeBy { template, data }))
}

fn bounded(text: String, bytes_max: usize) -> Result<String, String> {
    if text.len() <= bytes_max {
        Ok(text)
    } else {
        Err(format!("must have at most {bytes_max} bytes"))
    }
}
