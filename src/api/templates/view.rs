//! Templates as they are shown.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::told::Warning;
use crate::clock::Timestamp;
use crate::domain::id::TemplateId;
use crate::store::templates::{LocaleVersion, TemplateRecord, VersionRecord, VersionSummary};

/// A template: a name with versions.
#[derive(Serialize, ToSchema)]
#[schema(as = Template)]
pub(super) struct TemplateView {
    id: TemplateId,
    /// What mails name it by.
    name: String,
    /// The number of the newest version.
    version: u32,
    /// The locales that it is written in, and the version that is sent in each.
    locales: Vec<LocaleView>,
    /// When it was made.
    created_at: Timestamp,
    /// When the newest version was.
    updated_at: Timestamp,
    /// The versions that are kept, the newest first; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    versions: Option<Vec<SummaryView>>,
}

/// Which version is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = TemplateLocale)]
struct LocaleView {
    /// In which locale; null for that without one.
    locale: Option<String>,
    version: u32,
}

/// A version, without what it says.
#[derive(Serialize, ToSchema)]
#[schema(as = TemplateVersionSummary)]
struct SummaryView {
    version: u32,
    /// In which locale it is written; null if in none.
    locale: Option<String>,
    /// Whether it is the one of its locale that is sent.
    is_current: bool,
    created_at: Timestamp,
}

impl TemplateView {
    /// A template with those of these locales that are its own.
    pub(super) fn of(template: TemplateRecord, locales: &[LocaleVersion]) -> Self {
        let own = locales.iter().filter(|one| one.template == template.id);
        Self {
            id: template.id,
            name: template.name,
            version: template.last_version,
            locales: own
                .map(|one| LocaleView {
                    locale: named(one.locale.clone()),
                    version: one.version,
                })
                .collect(),
            created_at: template.created_at,
            updated_at: template.updated_at,
            versions: None,
        }
    }

    /// The same with its versions.
    pub(super) fn with(self, versions: Vec<VersionSummary>) -> Self {
        let view = |version: VersionSummary| SummaryView {
            version: version.version,
            locale: named(version.locale),
            is_current: version.is_current,
            created_at: version.created_at,
        };
        Self {
            versions: Some(versions.into_iter().map(view).collect()),
            ..self
        }
    }
}

/// A version of a template.
#[derive(Serialize, ToSchema)]
#[schema(as = TemplateVersion)]
pub(super) struct VersionView {
    /// Of which template.
    id: TemplateId,
    name: String,
    version: u32,
    /// In which locale it is written; null if in none.
    locale: Option<String>,
    /// Whether it is the one of its locale that is sent.
    is_current: bool,
    subject: String,
    html: String,
    /// Null where it is made from the HTML.
    text: Option<String>,
    /// Data to try it with.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    sample: Option<Value>,
    /// The template that it is rendered in, by its name.
    layout: Option<String>,
    created_at: Timestamp,
    /// What may be mistakes, as seen with the sample; when it is made and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    warnings: Option<Vec<Warning>>,
}

impl VersionView {
    /// A version of the template of this name.
    pub(super) fn of(version: VersionRecord, name: String) -> Self {
        Self {
            id: version.template,
            name,
            version: version.version,
            locale: named(version.locale),
            is_current: version.is_current,
            subject: version.subject,
            html: version.html,
            text: version.text,
            sample: version.sample.and_then(|sample| serde_json::from_str(&sample).ok()),
            layout: version.layout,
            created_at: version.created_at,
            warnings: None,
        }
    }

    /// The same with what may be mistakes.
    pub(super) fn with(self, warnings: Vec<Warning>) -> Self {
        Self {
            warnings: Some(warnings),
            ..self
        }
    }
}

/// A locale as it is shown.
pub(super) fn named(locale: String) -> Option<String> {
    Some(locale).filter(|locale| !locale.is_empty())
}
