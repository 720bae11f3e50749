//! Templates and versions as they are kept.

use crate::store::dialect::prelude::*;

use super::bytes;
use crate::clock::Timestamp;
use crate::domain::id::{TemplateId, WorkspaceId};
use crate::store::schema::{template_versions, templates};
use crate::store::text::{parsed, time, unsigned};
use crate::store::{Connection, StoreError};

/// A template: what its versions have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRecord {
    /// Its id.
    pub id: TemplateId,
    /// Its name; no other of the workspace has it.
    pub name: String,
    /// The number of the newest version.
    pub last_version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its newest version was.
    pub updated_at: Timestamp,
}

/// A version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// Of which.
    pub template: TemplateId,
    /// Its number.
    pub version: u32,
    /// Its locale; empty if it has none.
    pub locale: String,
    /// Whether it is the one of its locale that is sent.
    pub is_current: bool,
    /// The subject.
    pub subject: String,
    /// The HTML.
    pub html: String,
    /// The text; none where it is made from the HTML.
    pub text: Option<String>,
    /// Data to try it with, as JSON.
    pub sample: Option<String>,
    /// The name of the template that it is rendered in.
    pub layout: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A version without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSummary {
    /// Its number.
    pub version: u32,
    /// Its locale; empty if it has none.
    pub locale: String,
    /// Whether it is the one of its locale that is sent.
    pub is_current: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which version of a locale is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocaleVersion {
    /// Of which template.
    pub template: TemplateId,
    /// The locale; empty for none.
    pub locale: String,
    /// The version.
    pub version: u32,
}

/// A version to be entered.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Of the template of this name.
    pub name: String,
    /// In this locale; empty for none.
    pub locale: String,
    /// The subject.
    pub subject: String,
    /// The HTML.
    pub html: String,
    /// The text.
    pub text: Option<String>,
    /// Data to try it with, as JSON.
    pub sample: Option<String>,
    /// The name of the template that it is rendered in.
    pub layout: Option<String>,
    /// Whether others can be rendered in it.
    pub is_layout: bool,
    /// When.
    pub at: Timestamp,
}

impl VersionRecord {
    pub(super) fn new(new: &NewVersion, template: &TemplateRecord) -> Self {
        Self {
            template: template.id,
            version: template.last_version,
            locale: new.locale.clone(),
            is_current: true,
            subject: new.subject.clone(),
            html: new.html.clone(),
            text: new.text.clone(),
            sample: new.sample.clone(),
            layout: new.layout.clone(),
            created_at: new.at,
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = templates)]
pub(super) struct TemplateRow {
    id: String,
    name: String,
    last_version: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<TemplateRow> for TemplateRecord {
    type Error = StoreError;

    fn try_from(row: TemplateRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(&row.id, "templates", "id")?,
            name: row.name,
            last_version: unsigned(row.last_version, "templates", "last_version")?,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = template_versions)]
pub(super) struct VersionRow {
    template_id: String,
    version: i64,
    locale: String,
    is_current: i64,
    subject: String,
    html: String,
    text: Option<String>,
    sample: Option<String>,
    layout: Option<String>,
    created_at: i64,
}

impl TryFrom<VersionRow> for VersionRecord {
    type Error = StoreError;

    fn try_from(row: VersionRow) -> Result<Self, StoreError> {
        Ok(Self {
            template: parsed(&row.template_id, "template_versions", "template_id")?,
            version: unsigned(row.version, "template_versions", "version")?,
            locale: row.locale,
            is_current: row.is_current != 0,
            subject: row.subject,
            html: row.html,
            text: row.text,
            sample: row.sample,
            layout: row.layout,
            created_at: time(row.created_at),
        })
    }
}

/// Enters a version.
pub(super) fn insert(
    connection: &mut Connection,
    version: &VersionRecord,
    workspace: WorkspaceId,
) -> Result<(), StoreError> {
    let texts = [
        Some(version.subject.as_str()),
        Some(&version.html),
        version.text.as_deref(),
        version.sample.as_deref(),
    ];
    diesel::insert_into(template_versions::table)
        .values((
            template_versions::template_id.eq(version.template.to_string()),
            template_versions::version.eq(i64::from(version.version)),
            template_versions::workspace_id.eq(workspace.to_string()),
            template_versions::locale.eq(&version.locale),
            template_versions::is_current.eq(i64::from(version.is_current)),
            template_versions::subject.eq(&version.subject),
            template_versions::html.eq(&version.html),
            template_versions::text.eq(&version.text),
            template_versions::sample.eq(&version.sample),
            template_versions::layout.eq(&version.layout),
            template_versions::bytes.eq(bytes(&texts)),
            template_versions::created_at.eq(version.created_at.as_micros()),
        ))
        .execute(connection)?;
    Ok(())
}
