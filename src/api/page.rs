//! One page of a list.

use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) data: Vec<T>,
    /// What to ask the next page with; absent on the last one.
    pub(super) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A list that is short enough to be shown whole.
    pub(super) fn whole(data: impl IntoIterator<Item = T>) -> Self {
        Self {
            data: data.into_iter().collect(),
            next_cursor: None,
        }
    }
}
