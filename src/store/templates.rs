//! Templates: their names, versions and locales.
//!
//! Guarantees: a version is never changed, only which of its locale is current; versions of a template count up by one, whatever
//! their locale, and no number comes twice; what a workspace has of them is bounded, and where there are as many versions as may
//! be the oldest that are not current go; each change makes the revision of its workspace another, so that whoever keeps
//! templates in memory knows by one small read that theirs are old.
//!
//! Left out: what templates say, and whether they can be rendered (`mail`).

mod read;
mod record;
#[cfg(test)]
mod tests;

pub use read::{current, list, locales, names, one, revision, version, versions};
pub use record::{LocaleVersion, NewVersion, TemplateRecord, VersionRecord, VersionSummary};

use diesel::dsl::sql;
use diesel::sql_types::BigInt;

use crate::store::dialect::prelude::*;

use super::schema::{template_revisions, template_versions, templates};
use super::text::number;
use super::{Abort, Connection, StoreError};
use crate::domain::id::{TemplateId, WorkspaceId};

/// How much a workspace may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Templates.
    pub templates: usize,
    /// Versions of one, the current ones among them.
    pub versions: usize,
    /// Locales of one; fewer than versions.
    pub locales: usize,
    /// Bytes of all versions of all templates.
    pub bytes: u64,
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many templates as may be.
    Templates,
    /// As many locales of this one.
    Locales,
    /// As many bytes.
    Bytes,
    /// Its layout is not there any more, or has a layout itself.
    NoLayout,
    /// Others have it as their layout, which it would be no more.
    IsLayout,
}

/// Enters a version, with its template if there is none of this name, and makes it the current one of its locale.
///
/// # Errors
/// [`Refusal`] where it is more than may be, or would break what others are rendered in; when a statement fails.
pub fn add(
    connection: &mut Connection,
    new: &NewVersion,
    bounds: &Bounds,
) -> Result<(TemplateRecord, VersionRecord), Abort<Refusal>> {
    change_revision(connection, new.workspace)?;
    keep_layouts(connection, new)?;
    let mut template = match read::by_name(connection, new.workspace, &new.name)? {
        Some(template) => template,
        None => insert_template(connection, new, bounds)?,
    };
    let locales = read::current_of(connection, template.id)?;
    if locales.len() >= bounds.locales && locales.iter().all(|one| one.locale != new.locale) {
        return Err(Abort::Refused(Refusal::Locales));
    }
    template.last_version = template.last_version.saturating_add(1);
    template.updated_at = new.at;
    let row = VersionRecord::new(new, &template);
    let own = template_versions::table.filter(template_versions::template_id.eq(template.id.to_string()));
    diesel::update(
        own.filter(template_versions::locale.eq(new.locale.clone()))
            .filter(template_versions::is_current.eq(1)),
    )
    .set(template_versions::is_current.eq(0))
    .execute(connection)?;
    record::insert(connection, &row, new.workspace)?;
    diesel::update(templates::table.filter(templates::id.eq(template.id.to_string())))
        .set((
            templates::last_version.eq(i64::from(template.last_version)),
            templates::updated_at.eq(new.at.as_micros()),
        ))
        .execute(connection)?;
    drop_oldest(connection, template.id, bounds.versions)?;
    if bytes_of(connection, new.workspace)? > bounds.bytes {
        return Err(Abort::Refused(Refusal::Bytes));
    }
    Ok((template, row))
}

/// Deletes a template with all its versions; answers whether there was one.
///
/// # Errors
/// [`Refusal::IsLayout`]; when a statement fails.
pub fn delete(connection: &mut Connection, id: TemplateId, workspace: WorkspaceId) -> Result<bool, Abort<Refusal>> {
    let Some(template) = one(connection, id, workspace)? else {
        return Ok(false);
    };
    change_revision(connection, workspace)?;
    if is_layout_of_others(connection, workspace, &template.name)? {
        return Err(Abort::Refused(Refusal::IsLayout));
    }
    let versions = template_versions::table.filter(template_versions::template_id.eq(id.to_string()));
    diesel::delete(versions).execute(connection)?;
    let deleted = diesel::delete(templates::table.filter(templates::id.eq(id.to_string()))).execute(connection)?;
    Ok(deleted > 0)
}

/// Makes the revision another one. Until the transaction ends nobody else changes templates of the workspace.
fn change_revision(connection: &mut Connection, workspace: WorkspaceId) -> Result<(), StoreError> {
    let id = workspace.to_string();
    diesel::insert_into(template_revisions::table)
        .values((
            template_revisions::workspace_id.eq(&id),
            template_revisions::revision.eq(0),
        ))
        .on_conflict_do_nothing()
        .execute(connection)?;
    diesel::update(template_revisions::table.filter(template_revisions::workspace_id.eq(&id)))
        .set(template_revisions::revision.eq(template_revisions::revision + 1))
        .execute(connection)?;
    Ok(())
}

/// Has what others are rendered in stay what it is, and what this is rendered in be there.
fn keep_layouts(connection: &mut Connection, new: &NewVersion) -> Result<(), Abort<Refusal>> {
    if let Some(layout) = &new.layout {
        let found = current(connection, new.workspace, layout)?;
        if found.is_none_or(|(_, versions)| versions.iter().any(|version| version.layout.is_some())) {
            return Err(Abort::Refused(Refusal::NoLayout));
        }
    }
    let stays_one = new.is_layout && new.layout.is_none();
    if !stays_one && is_layout_of_others(connection, new.workspace, &new.name)? {
        return Err(Abort::Refused(Refusal::IsLayout));
    }
    Ok(())
}

fn is_layout_of_others(connection: &mut Connection, workspace: WorkspaceId, name: &str) -> Result<bool, StoreError> {
    let user: Option<String> = template_versions::table
        .filter(template_versions::workspace_id.eq(workspace.to_string()))
        .filter(template_versions::layout.eq(name))
        .filter(template_versions::is_current.eq(1))
        .select(template_versions::template_id)
        .first(connection)
        .optional()?;
    Ok(user.is_some())
}

fn insert_template(
    connection: &mut Connection,
    new: &NewVersion,
    bounds: &Bounds,
) -> Result<TemplateRecord, Abort<Refusal>> {
    if names(connection, new.workspace)?.len() >= bounds.templates {
        return Err(Abort::Refused(Refusal::Templates));
    }
    let template = TemplateRecord {
        id: TemplateId::generate(),
        name: new.name.clone(),
        last_version: 0,
        created_at: new.at,
        updated_at: new.at,
    };
    diesel::insert_into(templates::table)
        .values((
            templates::id.eq(template.id.to_string()),
            templates::workspace_id.eq(new.workspace.to_string()),
            templates::name.eq(&template.name),
            templates::last_version.eq(0),
            templates::created_at.eq(new.at.as_micros()),
            templates::updated_at.eq(new.at.as_micros()),
        ))
        .execute(connection)?;
    Ok(template)
}

/// Deletes the oldest versions that are not current, until there are `max`.
fn drop_oldest(connection: &mut Connection, id: TemplateId, max: usize) -> Result<(), StoreError> {
    let all: Vec<(i64, i64)> = template_versions::table
        .filter(template_versions::template_id.eq(id.to_string()))
        .order(template_versions::version.asc())
        .select((template_versions::version, template_versions::is_current))
        .load(connection)?;
    let beyond = all.len().saturating_sub(max);
    let oldest = all.iter().filter(|(_, is_current)| *is_current == 0).take(beyond);
    let oldest: Vec<i64> = oldest.map(|(version, _)| *version).collect();
    if !oldest.is_empty() {
        let rows = template_versions::table
            .filter(template_versions::template_id.eq(id.to_string()))
            .filter(template_versions::version.eq_any(oldest));
        diesel::delete(rows).execute(connection)?;
    }
    Ok(())
}

/// How many bytes a workspace has.
fn bytes_of(connection: &mut Connection, workspace: WorkspaceId) -> Result<u64, StoreError> {
    let bytes: i64 = template_versions::table
        .filter(template_versions::workspace_id.eq(workspace.to_string()))
        .select(sql::<BigInt>("CAST(coalesce(sum(bytes), 0) AS BIGINT)"))
        .get_result(connection)?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// The bytes that a version counts for.
pub(super) fn bytes(texts: &[Option<&str>]) -> i64 {
    number(texts.iter().flatten().map(|text| text.len()).sum::<usize>())
}
