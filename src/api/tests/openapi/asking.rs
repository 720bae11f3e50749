//! Asking each operation with API keys of any scopes.

use std::cell::RefCell;
use std::collections::HashMap;

use actix_web::http::Method;

use super::cast::{Cast, with_file};
use super::spec::Operation;
use crate::api::tests::{Answer, request};

/// A world, and keys of its operator by their scopes.
pub(in crate::api::tests) struct Asking {
    cast: Cast,
    keys: RefCell<HashMap<String, String>>,
}

impl Asking {
    pub(in crate::api::tests) async fn new() -> Self {
        Self {
            cast: Cast::new().await,
            keys: RefCell::default(),
        }
    }

    /// The operations that are not open to anybody.
    pub(in crate::api::tests) fn secured(&self) -> Vec<Operation> {
        let mut all = Operation::all();
        all.retain(|operation| operation.role() != "open");
        all
    }

    /// The answer to an operation's first example, asked with an operator's key of these scopes.
    pub(in crate::api::tests) async fn by_key(&self, operation: &Operation, scopes: &[&str]) -> Answer {
        let known = self.keys.borrow().get(&scopes.join(" ")).cloned();
        let key = match known {
            Some(key) => key,
            None => {
                let made = self.cast.world.scoped_key(&self.cast.operator_session(), scopes).await;
                self.keys.borrow_mut().insert(scopes.join(" "), made.clone());
                made
            }
        };
        let method: Method = operation.method.parse().unwrap();
        let mut asking = with_file(operation, request(method, &self.cast.path(operation).await, &key));
        if let Some((_, example)) = operation.examples().into_iter().next() {
            asking = asking.set_json(self.cast.prepared(operation, example).await);
        }
        self.cast.world.send(asking).await
    }
}
