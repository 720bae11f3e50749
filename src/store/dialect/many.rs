//! Statements over many rows with a value for each: what the writer's shared transactions are made of.
//!
//! Guarantees: rows go in in the order given; a statement's text depends on its table, its columns and one of few row counts
//! alone, so that the connection finds it prepared: preparing it anew costs as much as running it. For a server, to which each
//! statement is a way, rows that would take several make one ([`super::arrays`]). Rows are changed in any order, so that
//! whoever changes several holds them already.

use super::prelude::*;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Nullable, Text};

use super::arrays;
use super::connection::Connection;
use super::differs::Differs;

/// Rows in the longest of the statements; shorter ones have a power of two of them, so that a connection keeps seven texts
/// for each sort of write. Beyond this, a longer statement saves nothing that can be measured.
const ROWS_MAX: usize = 64;

/// One value of a row.
#[derive(Debug, Clone)]
pub(in crate::store) enum Value {
    /// Text or null.
    Text(Option<String>),
    /// A number or null.
    Number(Option<i64>),
}

/// `INSERT INTO … VALUES …` of many rows.
#[derive(Debug)]
pub(in crate::store) struct InsertMany {
    /// The table.
    pub(in crate::store) table: &'static str,
    /// The columns that are given; others are null.
    pub(in crate::store) columns: &'static [&'static str],
    /// For each row its values, in the order of the columns.
    pub(in crate::store) rows: Vec<Vec<Value>>,
    /// What is done with a row that there is already, literally; empty, or starting with a blank.
    pub(in crate::store) on_conflict: &'static str,
}

/// `UPDATE jobs SET … FROM (VALUES …)`: many rows, each with its own values. A row is changed only if its id and fence are
/// those given and its state is the one given. Written for `jobs`, the only table whose rows change in bulk.
///
/// SQLite and PostgreSQL both name the columns of `VALUES` `column1`, `column2`, ….
#[derive(Debug)]
pub(in crate::store) struct UpdateMany {
    /// The state that a row must be in, literally.
    pub(in crate::store) when_state: &'static str,
    /// What every row is set to besides, literally; empty or starting with a comma.
    pub(in crate::store) constants: &'static str,
    /// The columns to set, in the order of the values of each row; at least one.
    pub(in crate::store) columns: &'static [&'static str],
    /// For each row its id, its fence and its values.
    pub(in crate::store) rows: Vec<(String, i64, Vec<Value>)>,
}

impl InsertMany {
    /// Inserts them all.
    ///
    /// # Errors
    /// When a statement fails.
    pub(in crate::store) fn execute(&self, connection: &mut Connection) -> QueryResult<()> {
        if let Connection::Postgres(session) = &mut *connection
            && !is_one_statement(self.rows.len())
        {
            return arrays::insert(self, session.connection());
        }
        for rows in in_statements(&self.rows) {
            let statement = InsertStatement { many: self, rows };
            statement.execute(connection)?;
        }
        Ok(())
    }

    /// Writes what stands before the rows.
    pub(super) fn push_into<DB: Differs>(&self, out: &mut AstPass<'_, '_, DB>) {
        out.push_sql("INSERT");
        out.push_sql(DB::OR_FAIL);
        out.push_sql(" INTO ");
        out.push_sql(self.table);
        for (index, column) in self.columns.iter().enumerate() {
            out.push_sql(if index == 0 { " (" } else { ", " });
            out.push_sql(column);
        }
        out.push_sql(")");
    }
}

impl UpdateMany {
    /// Changes them all.
    ///
    /// # Errors
    /// When a statement fails.
    pub(in crate::store) fn execute(&self, connection: &mut Connection) -> QueryResult<()> {
        if let Connection::Postgres(session) = &mut *connection
            && !is_one_statement(self.rows.len())
        {
            return arrays::update(self, session.connection());
        }
        for rows in in_statements(&self.rows) {
            let statement = UpdateStatement { many: self, rows };
            statement.execute(connection)?;
        }
        Ok(())
    }

    /// Writes what stands before the table `changed`.
    pub(super) fn push_set<DB: Differs>(&self, out: &mut AstPass<'_, '_, DB>) {
        out.push_sql("UPDATE");
        out.push_sql(DB::OR_FAIL);
        out.push_sql(" jobs SET ");
        for (index, column) in self.columns.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            out.push_sql(&format!("{comma}{column} = changed.column{}", index + 3));
        }
        out.push_sql(self.constants);
    }

    /// Writes what stands behind it.
    pub(super) fn push_where<DB: Differs>(&self, out: &mut AstPass<'_, '_, DB>) {
        out.push_sql(&format!(
            " WHERE jobs.id = changed.column1 AND jobs.fence = changed.column2 AND {} = '{}'",
            DB::CHECKED_STATE,
            self.when_state
        ));
    }
}

/// Whether [`in_statements`] makes so many rows one piece.
fn is_one_statement(rows: usize) -> bool {
    rows == 0 || (rows <= ROWS_MAX && rows.is_power_of_two())
}

/// The rows in pieces of [`ROWS_MAX`], then of ever smaller powers of two.
fn in_statements<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut size = ROWS_MAX;
    std::iter::from_fn(move || {
        while size > rows.len() && size > 1 {
            size /= 2;
        }
        let (piece, rest) = rows.split_at_checked(size)?;
        rows = rest;
        Some(piece)
    })
}

struct InsertStatement<'a> {
    many: &'a InsertMany,
    rows: &'a [Vec<Value>],
}

struct UpdateStatement<'a> {
    many: &'a UpdateMany,
    rows: &'a [(String, i64, Vec<Value>)],
}

impl<DB> QueryFragment<DB> for Value
where
    DB: Backend + HasSqlType<Text> + HasSqlType<BigInt>,
    Option<String>: ToSql<Nullable<Text>, DB>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        match self {
            Self::Text(text) => out.push_bind_param::<Nullable<Text>, _>(text),
            Self::Number(number) => out.push_bind_param::<Nullable<BigInt>, _>(number),
        }
    }
}

impl<DB> QueryFragment<DB> for InsertStatement<'_>
where
    DB: Differs,
    Value: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.many.push_into(&mut out);
        out.push_sql(" VALUES ");
        for (index, row) in self.rows.iter().enumerate() {
            out.push_sql(if index == 0 { "(" } else { ", (" });
            for (index, value) in row.iter().enumerate() {
                if index > 0 {
                    out.push_sql(", ");
                }
                value.walk_ast(out.reborrow())?;
            }
            out.push_sql(")");
        }
        out.push_sql(self.many.on_conflict);
        Ok(())
    }
}

impl<DB> QueryFragment<DB> for UpdateStatement<'_>
where
    DB: Differs + HasSqlType<Text> + HasSqlType<BigInt>,
    Value: QueryFragment<DB>,
    String: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.many.push_set(&mut out);
        out.push_sql(" FROM (VALUES ");
        for (index, (id, fence, values)) in self.rows.iter().enumerate() {
            out.push_sql(if index == 0 { "(" } else { ", (" });
            out.push_bind_param::<Text, _>(id)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(fence)?;
            for value in values {
                out.push_sql(", ");
                value.walk_ast(out.reborrow())?;
            }
            out.push_sql(")");
        }
        out.push_sql(") AS changed");
        self.many.push_where(&mut out);
        Ok(())
    }
}

impl QueryId for InsertStatement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryId for UpdateStatement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Conn> diesel::RunQueryDsl<Conn> for InsertStatement<'_> {}
impl<Conn> diesel::RunQueryDsl<Conn> for UpdateStatement<'_> {}

#[cfg(test)]
mod tests {
    use diesel::sqlite::Sqlite;

    use super::*;

    #[test]
    fn a_statement_over_many_rows_is_kept_by_the_connection() {
        let insert = InsertMany {
            table: "attempts",
            columns: &["job_id"],
            rows: vec![vec![Value::Text(None)]],
            on_conflict: "",
        };
        let update = UpdateMany {
            when_state: "running",
            constants: "",
            columns: &["attempt"],
            rows: vec![("job".to_owned(), 1, vec![Value::Number(Some(1))])],
        };
        let insert = InsertStatement {
            many: &insert,
            rows: &insert.rows,
        };
        let update = UpdateStatement {
            many: &update,
            rows: &update.rows,
        };
        assert!(QueryFragment::<Sqlite>::is_safe_to_cache_prepared(&insert, &Sqlite).unwrap());
        assert!(QueryFragment::<Sqlite>::is_safe_to_cache_prepared(&update, &Sqlite).unwrap());
    }

    #[test]
    fn rows_are_cut_into_powers_of_two_in_their_order_and_none_is_left_out() {
        let sizes = |count: usize| -> Vec<usize> {
            let rows: Vec<usize> = (0..count).collect();
            let pieces: Vec<&[usize]> = in_statements(&rows).collect();
            assert_eq!(pieces.concat(), rows);
            assert_eq!(pieces.len() <= 1, is_one_statement(count));
            pieces.iter().map(|piece| piece.len()).collect()
        };
        assert_eq!(sizes(0), Vec::<usize>::new());
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(7), [4, 2, 1]);
        assert_eq!(sizes(64), [64]);
        assert_eq!(sizes(200), [64, 64, 64, 8]);
        for count in 0..300 {
            assert!(
                sizes(count)
                    .iter()
                    .all(|size| size.is_power_of_two() && *size <= ROWS_MAX)
            );
        }
    }
}
