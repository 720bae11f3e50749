//! Looking at templates.

use std::collections::HashSet;

use crate::store::dialect::prelude::*;

use super::record::{LocaleVersion, TemplateRecord, TemplateRow, VersionRecord, VersionRow, VersionSummary};
use crate::domain::id::{TemplateId, WorkspaceId};
use crate::store::dialect::Optional;
use crate::store::schema::{template_revisions, template_versions, templates};
use crate::store::text::{number, parsed, time, unsigned};
use crate::store::{Connection, StoreError};

const VERSIONS: &str = "template_versions";

/// The revision of a workspace's templates; none if it has never had any.
///
/// # Errors
/// When the statement fails.
pub fn revision(connection: &mut Connection, workspace: WorkspaceId) -> Result<Option<i64>, StoreError> {
    let revision = template_revisions::table
        .filter(template_revisions::workspace_id.eq(workspace.to_string()))
        .select(template_revisions::revision)
        .first(connection)
        .optional()?;
    Ok(revision)
}

/// The names of a workspace's templates.
///
/// # Errors
/// When the statement fails.
pub fn names(connection: &mut Connection, workspace: WorkspaceId) -> Result<HashSet<String>, StoreError> {
    let names: Vec<String> = templates::table
        .filter(templates::workspace_id.eq(workspace.to_string()))
        .select(templates::name)
        .load(connection)?;
    Ok(names.into_iter().collect())
}

/// A page of templates, the newest first: at most `limit` that were made before `before`.
///
/// # Errors
/// When the statement fails.
pub fn list(
    connection: &mut Connection,
    workspace: WorkspaceId,
    before: Option<TemplateId>,
    limit: usize,
) -> Result<Vec<TemplateRecord>, StoreError> {
    let rows: Vec<TemplateRow> = templates::table
        .filter(templates::workspace_id.eq(workspace.to_string()))
        .filter(Optional::new("templates.id <", before))
        .order(templates::id.desc())
        .limit(number(limit))
        .select(TemplateRow::columns())
        .load(connection)?;
    rows.into_iter().map(TemplateRecord::try_from).collect()
}

/// Which versions of these templates are sent, by locale.
///
/// # Errors
/// When the statement fails.
pub fn locales(connection: &mut Connection, of: &[TemplateId]) -> Result<Vec<LocaleVersion>, StoreError> {
    let ids: Vec<String> = of.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, String, i64)> = template_versions::table
        .filter(template_versions::template_id.eq_any(ids))
        .filter(template_versions::is_current.eq(1))
        .order((template_versions::template_id.asc(), template_versions::locale.asc()))
        .select((
            template_versions::template_id,
            template_versions::locale,
            template_versions::version,
        ))
        .load(connection)?;
    let read = |(template, locale, version): (String, String, i64)| {
        Ok(LocaleVersion {
            template: parsed(&template, VERSIONS, "template_id")?,
            locale,
            version: unsigned(version, VERSIONS, "version")?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// One template.
///
/// # Errors
/// When the statement fails.
pub fn one(
    connection: &mut Connection,
    id: TemplateId,
    workspace: WorkspaceId,
) -> Result<Option<TemplateRecord>, StoreError> {
    let row: Option<TemplateRow> = templates::table
        .filter(templates::id.eq(id.to_string()))
        .filter(templates::workspace_id.eq(workspace.to_string()))
        .select(TemplateRow::columns())
        .first(connection)
        .optional()?;
    row.map(TemplateRecord::try_from).transpose()
}

pub(super) fn by_name(
    connection: &mut Connection,
    workspace: WorkspaceId,
    name: &str,
) -> Result<Option<TemplateRecord>, StoreError> {
    let row: Option<TemplateRow> = templates::table
        .filter(templates::workspace_id.eq(workspace.to_string()))
        .filter(templates::name.eq(name))
        .select(TemplateRow::columns())
        .first(connection)
        .optional()?;
    row.map(TemplateRecord::try_from).transpose()
}

/// The versions of a template, the newest first, without what they say.
///
/// # Errors
/// When the statement fails.
pub fn versions(connection: &mut Connection, of: TemplateId) -> Result<Vec<VersionSummary>, StoreError> {
    let rows: Vec<(i64, String, i64, i64)> = template_versions::table
        .filter(template_versions::template_id.eq(of.to_string()))
        .order(template_versions::version.desc())
        .select((
            template_versions::version,
            template_versions::locale,
            template_versions::is_current,
            template_versions::created_at,
        ))
        .load(connection)?;
    let read = |(version, locale, is_current, created_at): (i64, String, i64, i64)| {
        Ok(VersionSummary {
            version: unsigned(version, VERSIONS, "version")?,
            locale,
            is_current: is_current != 0,
            created_at: time(created_at),
        })
    };
    rows.into_iter().map(read).collect()
}

/// One version of a template.
///
/// # Errors
/// When the statement fails.
pub fn version(
    connection: &mut Connection,
    of: TemplateId,
    workspace: WorkspaceId,
    version: u32,
) -> Result<Option<VersionRecord>, StoreError> {
    let row: Option<VersionRow> = template_versions::table
        .filter(template_versions::template_id.eq(of.to_string()))
        .filter(template_versions::version.eq(i64::from(version)))
        .filter(template_versions::workspace_id.eq(workspace.to_string()))
        .select(VersionRow::columns())
        .first(connection)
        .optional()?;
    row.map(VersionRecord::try_from).transpose()
}

/// The template of a name with the versions that are sent, one of each locale.
///
/// # Errors
/// When a statement fails.
pub fn current(
    connection: &mut Connection,
    workspace: WorkspaceId,
    name: &str,
) -> Result<Option<(TemplateRecord, Vec<VersionRecord>)>, StoreError> {
    let Some(template) = by_name(connection, workspace, name)? else {
        return Ok(None);
    };
    let versions = current_of(connection, template.id)?;
    Ok(Some((template, versions)))
}

pub(super) fn current_of(connection: &mut Connection, of: TemplateId) -> Result<Vec<VersionRecord>, StoreError> {
    let rows: Vec<VersionRow> = template_versions::table
        .filter(template_versions::template_id.eq(of.to_string()))
        .filter(template_versions::is_current.eq(1))
        .select(VersionRow::columns())
        .load(connection)?;
    rows.into_iter().map(VersionRecord::try_from).collect()
}
