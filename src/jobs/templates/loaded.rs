//! One template as it was read: the versions that are sent, with their layouts, each compiled once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::Unrendered;
use crate::domain::id::{TemplateId, WorkspaceId};
use crate::domain::template::Locale;
use crate::mail::{CompiledTemplate, Part, Place, TemplateFault, TemplateSource};
use crate::store::templates::{self, TemplateRecord, VersionRecord};
use crate::store::{Connection, StoreError};

/// Which template made a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedTemplate {
    /// Its id.
    pub id: TemplateId,
    /// Its name.
    pub name: String,
    /// The version.
    pub version: u32,
    /// The locale of the version; none if it has none.
    pub locale: Option<String>,
}

/// A version and that of its layout; 0 where there is none.
type Versions = (u32, u32);

/// What came of compiling each.
type CompiledVersions = HashMap<Versions, Result<Arc<CompiledTemplate>, TemplateFault>>;

/// A template with the versions that are sent.
pub struct LoadedTemplate {
    record: TemplateRecord,
    versions: Vec<VersionRecord>,
    /// Those of the templates that they are rendered in.
    layouts: HashMap<String, Vec<VersionRecord>>,
    compiled: Mutex<CompiledVersions>,
}

impl LoadedTemplate {
    /// Reads the template of this name.
    ///
    /// # Errors
    /// When a statement fails.
    pub(super) fn read(
        connection: &mut Connection,
        workspace: WorkspaceId,
        name: &str,
    ) -> Result<Option<Self>, StoreError> {
        let Some((record, versions)) = templates::current(connection, workspace, name)? else {
            return Ok(None);
        };
        let mut layouts = HashMap::new();
        for layout in versions.iter().filter_map(|version| version.layout.clone()) {
            if let Entry::Vacant(free) = layouts.entry(layout) {
                let found = templates::current(connection, workspace, free.key())?;
                free.insert(found.map(|(_, versions)| versions).unwrap_or_default());
            }
        }
        Ok(Some(Self {
            record,
            versions,
            layouts,
            compiled: Mutex::default(),
        }))
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.record.name
    }

    /// How many bytes its versions and layouts are.
    pub(super) fn bytes(&self) -> usize {
        let all = self.versions.iter().chain(self.layouts.values().flatten());
        all.map(|version| {
            version
                .html
                .len()
                .saturating_add(version.text.as_ref().map_or(0, String::len))
        })
        .fold(1_000, usize::saturating_add)
    }

    /// The version for a locale, compiled. Takes a while the first time.
    ///
    /// # Errors
    /// [`Unrendered::Locale`]; [`Unrendered::Fault`], of what was no fault when the version was made.
    pub(super) fn compiled(
        &self,
        locale: Option<&Locale>,
    ) -> Result<(Arc<CompiledTemplate>, UsedTemplate), Unrendered> {
        let Some(version) = pick(&self.versions, locale) else {
            let known = self.versions.iter().map(|version| version.locale.clone()).collect();
            return Err(Unrendered::Locale(known));
        };
        let layout = match &version.layout {
            Some(name) => Some(self.layout(name, locale)?),
            None => None,
        };
        let key = (version.version, layout.map_or(0, |layout| layout.version));
        let kept = self.locked().get(&key).cloned();
        let compiled = kept.unwrap_or_else(|| {
            let layout = layout.map(source_of);
            let compiled = CompiledTemplate::compile(&source_of(version), layout.as_ref()).map(Arc::new);
            self.locked().insert(key, compiled.clone());
            compiled
        });
        let used = UsedTemplate {
            id: self.record.id,
            name: self.record.name.clone(),
            version: version.version,
            locale: Some(version.locale.clone()).filter(|locale| !locale.is_empty()),
        };
        Ok((compiled?, used))
    }

    fn layout(&self, name: &str, locale: Option<&Locale>) -> Result<&VersionRecord, TemplateFault> {
        let versions = self.layouts.get(name).map(Vec::as_slice).unwrap_or_default();
        // One that is there in another locale is better than none.
        let found = pick(versions, locale).or_else(|| versions.first());
        found.ok_or_else(|| TemplateFault {
            place: Place::Layout(Part::Html),
            line: None,
            words: "is not there any more".to_owned(),
        })
    }

    fn locked(&self) -> MutexGuard<'_, CompiledVersions> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a version says.
pub(super) fn source_of(version: &VersionRecord) -> TemplateSource {
    TemplateSource {
        subject: version.subject.clone(),
        html: version.html.clone(),
        text: version.text.clone(),
    }
}

/// The version in a locale, or in the nearest wider one.
pub(super) fn pick<'a>(versions: &'a [VersionRecord], locale: Option<&Locale>) -> Option<&'a VersionRecord> {
    let of = |wanted: &str| versions.iter().find(|version| version.locale == wanted);
    match locale {
        Some(locale) => locale.and_wider().find_map(of),
        None => of(""),
    }
}
