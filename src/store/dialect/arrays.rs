//! Statements over many rows for a server, with one array for each column: however many rows there are, it is one statement,
//! and one round trip.
//!
//! Guarantees: rows go in in the order given; a statement's text depends on its table and its columns alone.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use super::connection::PostgresConnection;
use super::many::{InsertMany, UpdateMany, Value};
use super::prelude::*;

/// The values of all rows in one column.
enum Column<'a> {
    Texts(Vec<Option<&'a str>>),
    Numbers(Vec<Option<i64>>),
}

/// A table of a name per column, `column1`, `column2`, …, as `VALUES` has.
struct Columns<'a>(Vec<Column<'a>>);

impl<'a> Columns<'a> {
    /// Of rows that have texts and numbers in the same places.
    fn of(rows: impl Iterator<Item = &'a [Value]>) -> QueryResult<Self> {
        let mut columns: Vec<Column<'a>> = Vec::new();
        for row in rows {
            if columns.is_empty() {
                columns = row.iter().map(Column::like).collect();
            }
            if columns.len() != row.len() {
                return Err(DieselError::QueryBuilderError("rows differ in their values".into()));
            }
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value)?;
            }
        }
        Ok(Self(columns))
    }

    /// Writes the table where a statement names what it reads.
    fn push<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        for (index, column) in self.0.iter().enumerate() {
            if index > 0 {
                out.push_sql(", ");
            }
            match column {
                Column::Texts(values) => {
                    out.push_bind_param::<Array<Nullable<Text>>, _>(values)?;
                    out.push_sql("::text[]");
                }
                Column::Numbers(values) => {
                    out.push_bind_param::<Array<Nullable<BigInt>>, _>(values)?;
                    out.push_sql("::bigint[]");
                }
            }
        }
        out.push_sql(") AS changed (");
        for index in 0..self.0.len() {
            let comma = if index == 0 { "" } else { ", " };
            out.push_sql(&format!("{comma}column{}", index + 1));
        }
        out.push_sql(")");
        Ok(())
    }
}

impl<'a> Column<'a> {
    /// An empty one for values like this.
    fn like(value: &Value) -> Self {
        match value {
            Value::Text(_) => Self::Texts(Vec::new()),
            Value::Number(_) => Self::Numbers(Vec::new()),
        }
    }

    fn push(&mut self, value: &'a Value) -> QueryResult<()> {
        match (self, value) {
            (Self::Texts(values), Value::Text(text)) => values.push(text.as_deref()),
            (Self::Numbers(values), Value::Number(number)) => values.push(*number),
            _ => return Err(DieselError::QueryBuilderError("a column has texts and numbers".into())),
        }
        Ok(())
    }
}

struct InsertArrays<'a> {
    many: &'a InsertMany,
    columns: Columns<'a>,
}

struct UpdateArrays<'a> {
    many: &'a UpdateMany,
    columns: Columns<'a>,
}

/// Inserts all rows by one statement.
///
/// # Errors
/// When it fails.
pub(super) fn insert(many: &InsertMany, connection: &mut PostgresConnection) -> QueryResult<()> {
    let columns = Columns::of(many.rows.iter().map(Vec::as_slice))?;
    diesel::RunQueryDsl::execute(InsertArrays { many, columns }, connection)?;
    Ok(())
}

/// Changes all rows by one statement.
///
/// # Errors
/// When it fails.
pub(super) fn update(many: &UpdateMany, connection: &mut PostgresConnection) -> QueryResult<()> {
    let mut columns = Columns::of(many.rows.iter().map(|(_, _, values)| values.as_slice()))?;
    let ids = many.rows.iter().map(|(id, ..)| Some(id.as_str()));
    let fences = many.rows.iter().map(|(_, fence, _)| Some(*fence));
    columns
        .0
        .splice(0..0, [Column::Texts(ids.collect()), Column::Numbers(fences.collect())]);
    diesel::RunQueryDsl::execute(UpdateArrays { many, columns }, connection)?;
    Ok(())
}

impl QueryFragment<Pg> for InsertArrays<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.many.push_into(&mut out);
        out.push_sql(" SELECT * FROM ");
        self.columns.push(out.reborrow())?;
        out.push_sql(self.many.on_conflict);
        Ok(())
    }
}

impl QueryFragment<Pg> for UpdateArrays<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.many.push_set(&mut out);
        out.push_sql(" FROM ");
        self.columns.push(out.reborrow())?;
        self.many.push_where(&mut out);
        Ok(())
    }
}

impl QueryId for InsertArrays<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryId for UpdateArrays<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Conn> diesel::RunQueryDsl<Conn> for InsertArrays<'_> {}
impl<Conn> diesel::RunQueryDsl<Conn> for UpdateArrays<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestStore, on_each_database};

    fn limit(number: usize) -> Vec<Value> {
        let concurrency = i64::try_from(number).ok().filter(|number| number % 3 > 0);
        vec![
            Value::Text(Some("probes".to_owned())),
            Value::Text(Some("ws".to_owned())),
            Value::Text(Some(format!("{number:03}, {{\"NULL\"}}"))),
            Value::Number(concurrency),
            Value::Number(None),
            Value::Number(Some(0)),
        ]
    }

    async fn any_number_of_rows_goes_in_with_all_of_its_values(store: TestStore) {
        for count in [0, 1, 2, 3, 64, 65, 130] {
            store.look(|connection| {
                let many = InsertMany {
                    table: "limits",
                    columns: &["queue", "workspace_id", "limit_key", "concurrency", "rate", "updated_at"],
                    rows: (0..count).map(limit).collect(),
                    on_conflict: " ON CONFLICT (queue, workspace_id, limit_key) DO UPDATE SET updated_at = limits.updated_at + 1",
                };
                many.execute(connection).unwrap();
            });
            let of_row = |number: usize| {
                let concurrency = if number.is_multiple_of(3) {
                    "none".to_owned()
                } else {
                    number.to_string()
                };
                format!("{number:03}, {{\"NULL\"}} {concurrency}")
            };
            let expected: Vec<String> = (0..count).map(of_row).collect();
            let query = "SELECT limit_key || ' ' || coalesce(CAST(concurrency AS TEXT), 'none') AS value FROM limits \
                         WHERE rate IS NULL ORDER BY limit_key";
            assert_eq!(store.words(query), expected);
        }
        // Of those of each round, all that there were before it were changed.
        let changed = store.words("SELECT CAST(sum(updated_at) AS TEXT) AS value FROM limits");
        assert_eq!(changed, [(1 + 2 + 3 + 64 + 65).to_string()]);
    }

    async fn rows_go_in_in_the_order_given(store: TestStore) {
        let texts: Vec<String> = (0..77).map(|number| format!("[{}]", number * 31 % 77)).collect();
        store.look(|connection| {
            let rows = texts.iter().map(|text| {
                let workspace = Value::Text(Some("ws".to_owned()));
                vec![workspace, Value::Number(Some(0)), Value::Text(Some(text.clone()))]
            });
            let many = InsertMany {
                table: "events",
                columns: &["workspace_id", "at", "changes"],
                rows: rows.collect(),
                on_conflict: "",
            };
            many.execute(connection).unwrap();
        });
        assert_eq!(store.words("SELECT changes AS value FROM events ORDER BY seq"), texts);
    }

    on_each_database!(
        any_number_of_rows_goes_in_with_all_of_its_values,
        rows_go_in_in_the_order_given,
    );

    #[test]
    fn a_statement_over_arrays_is_kept_by_the_connection_and_its_text_does_not_depend_on_the_rows() {
        let text = |count: usize| {
            let many = InsertMany {
                table: "limits",
                columns: &[
                    "queue",
                    "workspace_id",
                    "limit_key",
                    "concurrency",
                    "rate",
                    "updated_at",
                ],
                rows: (0..count).map(limit).collect(),
                on_conflict: "",
            };
            let columns = Columns::of(many.rows.iter().map(Vec::as_slice)).unwrap();
            let statement = InsertArrays { many: &many, columns };
            assert!(QueryFragment::<Pg>::is_safe_to_cache_prepared(&statement, &Pg).unwrap());
            let text = diesel::debug_query::<Pg, _>(&statement).to_string();
            text.split_once(" -- binds").unwrap().0.to_owned()
        };
        assert_eq!(text(3), text(100));
    }

    #[test]
    fn rows_that_differ_in_their_values_are_refused() {
        let rows = [vec![Value::Number(None)], vec![Value::Text(None)]];
        assert!(Columns::of(rows.iter().map(Vec::as_slice)).is_err());
        let rows = [vec![Value::Number(None)], vec![]];
        assert!(Columns::of(rows.iter().map(Vec::as_slice)).is_err());
    }
}
