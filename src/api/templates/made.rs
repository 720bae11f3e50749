//! From a template that somebody sent to one that is kept: it is tried, and entered.

use std::sync::Arc;

use serde_json::{Value, json};

use super::body::Checked;
use super::told::{Told, Warning, warnings_of};
use super::{BOUNDS, refused};
use crate::api::State;
use crate::api::failure::or_refused;
use crate::api::http::{Fields, Problem};
use crate::domain::id::WorkspaceId;
use crate::jobs::Unrendered;
use crate::mail::{CONTENT, CompiledTemplate};
use crate::store::templates::{self, NewVersion, TemplateRecord, VersionRecord};

/// Compiles a template, and renders it for its sample if it has one; answers what may be mistakes.
///
/// # Errors
/// 422 with pointers into the template; what is not its fault.
pub(super) async fn tried(
    checked: &mut Checked,
    workspace: WorkspaceId,
    state: &State,
) -> Result<Vec<Warning>, Problem> {
    let compiled = state.library.compile(
        workspace,
        checked.source.clone(),
        checked.layout.as_deref(),
        checked.locale.as_ref(),
    );
    let tried = match compiled.await {
        Ok(compiled) => {
            checked.is_layout = compiled.is_layout();
            match &checked.sample {
                Some(sample) => rendered(compiled, sample.clone(), workspace, state).await,
                None => Ok(Vec::new()),
            }
        }
        Err(error) => Err(error),
    };
    let mut fields = Fields::new();
    match tried {
        Ok(warnings) => Ok(warnings),
        Err(error) => {
            Told::OF_WRITING.note(error, &mut fields)?;
            fields.finish_with(None)
        }
    }
}

async fn rendered(
    compiled: Arc<CompiledTemplate>,
    sample: Value,
    workspace: WorkspaceId,
    state: &State,
) -> Result<Vec<Warning>, Unrendered> {
    let work = move || {
        let doubts = warnings_of(&compiled, &sample, "/sample");
        compiled.render(&with_content(&compiled, sample))?;
        Ok(doubts)
    };
    state.library.run(workspace, work).await?
}

/// The data, with something for a layout to print that is rendered alone.
pub(super) fn with_content(compiled: &CompiledTemplate, mut data: Value) -> Value {
    if compiled.is_layout()
        && let Some(fields) = data.as_object_mut()
    {
        fields.entry(CONTENT).or_insert_with(|| json!(""));
    }
    data
}

/// Enters a version.
///
/// # Errors
/// 409 where it is more than may be, or would break others.
pub(super) async fn enter(new: NewVersion, state: &State) -> Result<(TemplateRecord, VersionRecord), Problem> {
    let workspace = new.workspace;
    let write = state
        .store
        .write(move |tx| templates::add(tx.connection(), &new, &BOUNDS));
    let written = write.await;
    // Whatever came of it, and before it is answered.
    state.library.changed(workspace);
    written.map_err(or_refused(refused))
}
