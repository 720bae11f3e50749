//! One page of a list, and which one is asked for.
//!
//! Guarantees: a page has 50 things unless asked otherwise, 100 at the most; it says how to ask for the next one exactly if
//! there is one.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::http::{Fields, Problem};
use super::jobs::cursor;
use super::order::ranged;

/// Things on a page unless told otherwise.
const SIZE: i64 = 50;
/// The most things on a page.
const SIZE_MAX: i64 = 100;

/// Which page of a list is asked for, where nothing else is.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// The `next_cursor` of the page before.
    #[param(nullable = false, min_length = 1)]
    cursor: Option<String>,
    /// How many on the page; 50 unless given.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

impl PageQuery {
    /// Behind what the page begins, and how much is on it.
    ///
    /// # Errors
    /// 422 if one of them is not what it must be.
    pub(super) fn checked<Place: FromStr>(self) -> Result<(Option<Place>, usize), Problem> {
        let mut fields = Fields::new();
        let behind = behind(self.cursor.as_deref(), &mut fields);
        let size = size(self.limit, &mut fields);
        Ok((behind, fields.finish_with(size)?))
    }
}

/// Behind what the page begins that is asked for with this cursor; a wrong one is noted in `fields`.
pub(super) fn behind<Place: FromStr>(cursor: Option<&str>, fields: &mut Fields) -> Option<Place> {
    cursor.and_then(|text| fields.check("/query/cursor", cursor::read(text)))
}

/// How much is on the page that is asked for with this limit; none if it is a wrong one, which is noted in `fields`.
pub(super) fn size(limit: Option<i64>, fields: &mut Fields) -> Option<usize> {
    ranged(fields, "/query/limit", Some(limit.unwrap_or(SIZE)), 1, SIZE_MAX)
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) data: Vec<T>,
    /// What to ask the next page with; absent on the last one.
    pub(super) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The first `size` of what was found, which is one more if there is more; `place` is behind what the next page begins.
    pub(super) fn of<Found, Place: Display>(
        mut found: Vec<Found>,
        size: usize,
        place: impl FnOnce(&Found) -> Place,
        view: impl FnMut(Found) -> T,
    ) -> Self {
        let has_more = found.len() > size;
        found.truncate(size);
        let next_cursor = found.last().filter(|_| has_more).map(place).map(cursor::write);
        Self {
            data: found.into_iter().map(view).collect(),
            next_cursor,
        }
    }

    /// A list that is short enough to be shown whole.
    pub(super) fn whole(data: impl IntoIterator<Item = T>) -> Self {
        Self {
            data: data.into_iter().collect(),
            next_cursor: None,
        }
    }
}
