//! What the queries of the entities use: diesel's traits, but for those that are tied to one database, and ours for those.

pub(in crate::store) use diesel::prelude::{
    AppearsOnTable, BoolExpressionMethods, Expression, ExpressionMethods, JoinOnDsl, NullableExpressionMethods,
    OptionalExtension, QueryDsl, QueryResult, Queryable, Selectable, SelectableExpression,
};

pub(in crate::store) use super::connection::{Columns, Run};
