//! Columns to domain types and back: ids, names and numbers as the database keeps them.
//!
//! Guarantees: a row that holds what no version of the service could have written is an error that names the table and the
//! column, never a guess.

use std::str::FromStr;

use super::StoreError;
use crate::clock::Timestamp;

/// A text that every database takes: PostgreSQL has no place for a NUL, which whatever failed may have said.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A text column as the type it stands for.
pub(super) fn parsed<T: FromStr>(text: &str, table: &'static str, what: &'static str) -> Result<T, StoreError> {
    text.parse()
        .map_err(|_unreadable: T::Err| StoreError::Corrupt { table, what })
}

/// A number column that is never negative.
pub(super) fn unsigned<T: TryFrom<i64>>(number: i64, table: &'static str, what: &'static str) -> Result<T, StoreError> {
    T::try_from(number).map_err(|_negative: T::Error| StoreError::Corrupt { table, what })
}

/// A time column.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A number for a column; what does not fit is cut to the largest that does.
pub(super) fn number<T: TryInto<i64>>(value: T) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
