//! Nodes, for operators: which processes serve one database.
//!
//! Guarantees: a node that is shown has not left in order, nor has all of its work been taken back; whether it is alive is
//! what its lease says. A look reads one row a node and one index entry a running attempt.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::auth::Operator;
use super::http::Problem;
use super::page::Page;
use crate::clock::Timestamp;
use crate::store::nodes::NodeRecord;
use crate::store::{jobs, nodes};

/// The most nodes that are shown: far more than one database feeds.
const SHOWN_MAX: usize = 1_000;

/// A node as operators see it.
#[derive(Serialize, ToSchema)]
#[schema(as = Node)]
pub(super) struct NodeView {
    /// Made anew at every start; attempts name the node that ran them by it.
    id: String,
    /// The version of the service that it runs.
    version: String,
    /// What it does.
    #[schema(example = json!(["api", "work"]))]
    roles: Vec<&'static str>,
    /// Since when it serves, or serves again after its lease was taken over.
    started_at: Timestamp,
    /// Until when it is alive without a further sign of life; long ago while its work is being taken back.
    lease_until: Timestamp,
    /// Attempts that run there.
    running: i64,
}

impl NodeView {
    fn of(node: NodeRecord, running: &HashMap<String, i64>) -> Self {
        let id = node.id.to_string();
        Self {
            running: running.get(&id).copied().unwrap_or(0),
            id,
            version: node.version,
            roles: node.roles.names().collect(),
            started_at: node.started_at,
            lease_until: node.lease_until,
        }
    }
}

/// Lists the nodes that serve this database, those first that have been there the longest.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "operators", security(("operator" = [])),
    responses((status = 200, description = "All nodes.", body = Page<NodeView>)),
)]
pub(super) async fn list_nodes(_operator: Operator, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let read = state.store.read(|connection| {
        let nodes = nodes::list(connection, SHOWN_MAX)?;
        Ok((nodes, jobs::running_by_node(connection)?))
    });
    let (nodes, running) = read.await?;
    let views = nodes.into_iter().map(|node| NodeView::of(node, &running));
    Ok(HttpResponse::Ok().json(Page::whole(views)))
}
