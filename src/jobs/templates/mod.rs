//! The templates of workspaces, kept in memory as long as nothing changes, and rendered.
//!
//! Guarantees: what this process changed is seen by whatever it renders after it; what others changed within about a second:
//! whether anything did is asked of the database twice a second for each workspace that sends, and nothing is read besides while
//! nothing did. Memory is bounded. Rendering runs on threads of its own, so many at once as there are cores, since what a template
//! does may take milliseconds, and a deep stack; a bounded number waits. No workspace has more than half of the threads and of what
//! waits ([`slots`]).
//!
//! A replacement of a mail of the service's own is a template of the service workspace that has its name. One that cannot be
//! rendered, or not within seconds, is as good as none: whoever asks sends the built-in one. It has threads of its own.
//!
//! Left out: who may change templates, and what they are told (`api`).

mod kept;
mod loaded;
mod slots;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::domain::id::WorkspaceId;
use crate::domain::template::Locale;
use crate::mail::{CompiledTemplate, Content, TemplateFault, TemplateSource, built_in};
use crate::store::{Store, StoreError, templates};
use kept::{Kept, Looked, Read};
pub use loaded::{LoadedTemplate, UsedTemplate};
use slots::{Slots, on_a_thread};

/// How old what was read may be before it is asked whether anything changed.
const CHECKED_EVERY: Duration = Duration::from_millis(500);

/// How long a mail of the service's own waits for what replaces it.
const REPLACED_WITHIN: Duration = Duration::from_secs(5);

/// The templates of workspaces; clones share what they keep.
#[derive(Clone)]
pub struct TemplateLibrary {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    kept: Mutex<Kept>,
    slots: Slots,
}

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum Unrendered {
    /// There are versions of it, but none in this locale or a wider one; those there are.
    #[error("the template has no version in this locale")]
    Locale(Vec<String>),
    /// There is no template to be rendered in of this name, or it is in one itself.
    #[error("there is no such layout")]
    NoLayout,
    /// The template, or the data for it, is wrong.
    #[error("the template cannot be rendered: {}", .0.whereabouts())]
    Fault(TemplateFault),
    /// Too many others wait to be rendered.
    #[error("too much is rendered just now")]
    Busy,
    /// The rendering panicked, or there was no thread for it.
    #[error("a rendering was not finished")]
    Unfinished(#[source] Option<std::io::Error>),
    /// The templates could not be read.
    #[error("the templates could not be read")]
    Store(#[from] StoreError),
}

impl From<TemplateFault> for Unrendered {
    fn from(fault: TemplateFault) -> Self {
        Self::Fault(fault)
    }
}

impl TemplateLibrary {
    /// The templates in `store`.
    #[must_use]
    pub fn over(store: Store) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                kept: Mutex::default(),
                slots: Slots::new(),
            }),
        }
    }

    /// To be told after each change to a workspace's templates, before it is answered.
    pub fn changed(&self, workspace: WorkspaceId) {
        self.kept().forget(workspace);
    }

    /// The template of this name, with all of its locales; none if the workspace has none of this name.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn find(&self, workspace: WorkspaceId, name: &str) -> Result<Option<Arc<LoadedTemplate>>, StoreError> {
        let (mark, now) = (self.kept().mark(), Instant::now());
        let looked = self.kept().look(workspace, name, now);
        let known = match looked {
            Looked::Fresh(found) => return Ok(found),
            Looked::Old { revision } => Some(revision),
            Looked::Nothing => None,
        };
        let wanted = name.to_owned();
        let read = self.inner.store.read(move |connection| {
            // First, so that what is read is never older than what it is taken for.
            let revision = templates::revision(connection, workspace)?;
            if known == Some(revision) {
                return Ok(Read::Same);
            }
            let names = match revision {
                Some(_) => templates::names(connection, workspace)?,
                None => Default::default(),
            };
            let template = match names.contains(&wanted) {
                true => LoadedTemplate::read(connection, workspace, &wanted)?,
                false => None,
            };
            Ok::<_, StoreError>(Read::Anew {
                revision,
                names,
                template: template.map(Arc::new),
            })
        });
        let read = read.await?;
        Ok(self.kept().put(workspace, name, read, now, mark))
    }

    /// Compiles what somebody has written, in the layout of this name as it is now.
    ///
    /// # Errors
    /// [`Unrendered`].
    pub async fn compile(
        &self,
        workspace: WorkspaceId,
        source: TemplateSource,
        layout: Option<&str>,
        locale: Option<&Locale>,
    ) -> Result<Arc<CompiledTemplate>, Unrendered> {
        let layout = match layout {
            Some(name) => Some(self.layout(workspace, name.to_owned(), locale).await?),
            None => None,
        };
        let compiled = self.run(workspace, move || CompiledTemplate::compile(&source, layout.as_ref()));
        Ok(Arc::new(compiled.await??))
    }

    async fn layout(
        &self,
        workspace: WorkspaceId,
        name: String,
        locale: Option<&Locale>,
    ) -> Result<TemplateSource, Unrendered> {
        let read = self
            .inner
            .store
            .read(move |connection| templates::current(connection, workspace, &name));
        let versions = read.await?.map(|(_, versions)| versions).unwrap_or_default();
        // As at sending: another locale is better than none.
        let found = loaded::pick(&versions, locale).or_else(|| versions.first());
        let layout = found.filter(|layout| layout.layout.is_none());
        layout.map(loaded::source_of).ok_or(Unrendered::NoLayout)
    }

    /// Renders the template of this name for `data`, in this locale or the nearest wider one; none if the workspace has no
    /// template of this name.
    ///
    /// # Errors
    /// [`Unrendered`].
    pub async fn render(
        &self,
        workspace: WorkspaceId,
        name: &str,
        locale: Option<&Locale>,
        data: &Arc<Value>,
    ) -> Result<Option<(Content, UsedTemplate)>, Unrendered> {
        let Some(template) = self.find(workspace, name).await? else {
            return Ok(None);
        };
        let (locale, data) = (locale.cloned(), Arc::clone(data));
        let rendered = self.run(workspace, move || {
            let (compiled, used) = template.compiled(locale.as_ref())?;
            Ok::<_, Unrendered>((compiled.render(&data)?, used))
        });
        rendered.await?.map(Some)
    }

    /// Renders what an operator has put in the place of a built-in template of this name; none if that was not replaced.
    ///
    /// # Errors
    /// [`Unrendered`].
    pub async fn render_replacement(&self, name: &'static str, data: Value) -> Result<Option<Content>, Unrendered> {
        let Some(built_in) = built_in(name) else {
            return Ok(None);
        };
        let Some(template) = self.find(WorkspaceId::SERVICE, name).await? else {
            return Ok(None);
        };
        let work = move || {
            let (compiled, _) = template.compiled(None)?;
            Ok::<_, Unrendered>(built_in.render(&compiled, &data)?)
        };
        let rendered = async {
            let slot = self.inner.slots.own().await.ok_or(Unrendered::Unfinished(None))?;
            on_a_thread(slot, work).await?
        };
        match tokio::time::timeout(REPLACED_WITHIN, rendered).await {
            Ok(rendered) => rendered.map(Some),
            Err(_elapsed) => Err(Unrendered::Busy),
        }
    }

    /// Runs what compiles and renders for a workspace on a thread where it may take its time, and returns what it returns.
    ///
    /// # Errors
    /// [`Unrendered::Busy`], if as many wait as may; [`Unrendered::Unfinished`], if `work` panicked.
    pub async fn run<T, F>(&self, workspace: WorkspaceId, work: F) -> Result<T, Unrendered>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = self.inner.slots.place(workspace).ok_or(Unrendered::Busy)?;
        let slot = place.slot().await.ok_or(Unrendered::Unfinished(None))?;
        on_a_thread(slot, work).await
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
