//! The link in a mail that ends the stream it belongs to: a page, and what the page and mail programs post (RFC 8058).
//!
//! Guarantees: opening the link changes nothing, since programs that scan mail open links too; the click on the page does, and so
//! does what a mail program posts when its user says so. Neither needs a login or a cookie, and whatever stands in the body
//! besides does not matter: the link says it all. A link that is not good gets one and the same answer. What was answered as
//! done holds for every mail whose sending begins after it.
//!
//! A link that is good is not counted against its network: the large providers post for all of their users from a few
//! addresses, and must not be turned away after a newsletter. Doing it again only reads; a link that is not good takes a turn.

use actix_web::{HttpRequest, HttpResponse, web};

use super::State;
use super::client::Client;
use super::failure::or_refused;
use super::http::{Problem, RequestId};
use super::pages;
use super::verification::token_in_link;
use crate::domain::id::SuppressionId;
use crate::domain::suppression::{SuppressionOrigin, SuppressionReason};
use crate::jobs::kinds::Unsubscribing;
use crate::store::Abort;
use crate::store::suppressions::{self, NewSuppression};
use crate::telemetry::names::event;

/// `GET /unsubscribe?token=…`: the page that the link leads to.
pub(super) async fn show_unsubscribe(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let Some(token) = token_in_link(&request) else {
        return pages::unsubscribe_not_valid();
    };
    match Unsubscribing::of(&token, &state.keys) {
        Some(asked) => pages::unsubscribe(&token, asked.stream.as_str(), &asked.address.masked()),
        None => pages::unsubscribe_not_valid(),
    }
}

/// `POST /unsubscribe?token=…`: the click on that page, or in a mail program.
pub(super) async fn post_unsubscribe(
    request: HttpRequest,
    state: web::Data<State>,
    client: Client,
    id: RequestId,
) -> Result<HttpResponse, Problem> {
    let token = token_in_link(&request);
    let Some(asked) = token.and_then(|token| Unsubscribing::of(&token, &state.keys)) else {
        state.throttle.take_entry(&client)?;
        return pages::unsubscribe_not_valid();
    };
    let stream = asked.stream.clone();
    enter(asked, &state, &id).await?;
    pages::unsubscribed(stream.as_str())
}

/// Suppresses the address in the stream, unless that was done before.
async fn enter(asked: Unsubscribing, state: &State, request: &RequestId) -> Result<(), Problem> {
    let (workspace, stream) = (asked.workspace, asked.stream.clone());
    let new = NewSuppression {
        id: SuppressionId::generate(),
        workspace,
        address: asked.address.canonical(),
        stream: Some(asked.stream),
        reason: SuppressionReason::Unsubscribe,
        origin: SuppressionOrigin::Recipient,
        at: state.clock.now(),
    };
    let looked_for = new.clone();
    let read = state.store.read(move |connection| {
        suppressions::of_address(connection, workspace, &looked_for.address, &looked_for.stream)
    });
    let is_done = read.await?.is_some_and(|found| !new.reason.outweighs(found.reason));
    if is_done {
        return Ok(());
    }
    let write = state
        .store
        .write(move |tx| Ok::<_, Abort<()>>(suppressions::add_if_there(tx.connection(), &new)?));
    write.await.map_err(or_refused(|()| Problem::not_found()))?;
    tracing::info!(
        event = event::UNSUBSCRIBED,
        %workspace,
        %stream,
        request_id = request.as_str(),
        "somebody wants no more mails of a stream"
    );
    Ok(())
}
