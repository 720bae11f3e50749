//! Deleting one's account, after a time of grace in which that can be taken back.
//!
//! Guarantees: the account goes by a job that is committed with the wish, and that does nothing if the wish was taken back; until
//! then the account works as before. The last operator stays, since nobody could make another one without the service's machine.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::State;
use super::accounts::AccountView;
use super::auth::{ConfirmedMember, SessionMember};
use super::client::Client;
use super::credentials::not_logged_in;
use super::failure::or_refused;
use super::http::{Problem, RequestId};
use super::password_changes::told;
use super::security_log::Happening;
use super::work::log_enqueued;
use crate::domain::security::SecurityEvent;
use crate::jobs::Order;
use crate::jobs::accounts::ask_deletion;
use crate::store::accounts::{self, Account};
use crate::store::{Abort, deletion};

/// Why nothing was changed.
enum Refused {
    /// The account is gone.
    Gone,
    /// Without it nobody could run the service.
    LastOperator,
    /// It is being deleted.
    TooLate,
    /// The jobs cannot be ordered.
    Job(serde_json::Error),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Gone => not_logged_in(),
            Refused::LastOperator => Self::conflict("this is the last operator's account; make another operator first"),
            Refused::TooLate => Self::conflict("the account is being deleted"),
            Refused::Job(error) => Self::internal(error),
        }
    }
}

/// Has the account that asks deleted, with all that is its workspace's.
///
/// It goes at `deletion_at`; until then it works as before, and this can be taken back. Asking again changes nothing.
#[utoipa::path(
    delete, path = "/v1/accounts/me", tag = "accounts", security(("session" = [])),
    responses(
        (status = 202, description = "The account, and when it goes.", body = AccountView),
        (status = 409, description = "It is the last operator's."),
    ),
)]
pub(super) async fn delete_account(
    member: ConfirmedMember,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (id, session, now) = (member.account.id, member.session.id, state.clock.now());
    let deletion_at = now.plus(state.config.accounts.deletion_grace);
    let happening = Happening::of(client, &request, now);
    let order = Order {
        request_id: Some(request.as_str().to_owned()),
        ..Order::default()
    };
    let write = state.store.write(move |tx| {
        let account = accounts::locked(tx.connection(), id)?.ok_or(Abort::Refused(Refused::Gone))?;
        if account.deletion_at.is_some() {
            return Ok((account, Vec::new()));
        }
        if account.is_operator && deletion::is_last_operator(tx.connection(), id)? {
            return Err(Abort::Refused(Refused::LastOperator));
        }
        let jobs = ask_deletion(tx, &account, deletion_at, now, &order).map_err(told(Refused::Job))?;
        let detail = json!({ "deletion_at": deletion_at, "session": session });
        happening.note(tx, &account, SecurityEvent::DeletionAsked, detail)?;
        let asked = Account {
            deletion_at: Some(deletion_at),
            ..account
        };
        Ok((asked, jobs))
    });
    let (account, jobs) = write.await.map_err(or_refused(Problem::from))?;
    jobs.iter().for_each(log_enqueued);
    Ok(HttpResponse::Accepted().json(AccountView::from(account)))
}

/// Takes the deletion of the account that asks back.
///
/// One that is not to be deleted is answered as it is.
#[utoipa::path(
    post, path = "/v1/accounts/me/restore", tag = "accounts", security(("session" = [])),
    responses(
        (status = 200, description = "The account, which stays.", body = AccountView),
        (status = 409, description = "It is being deleted."),
    ),
)]
pub(super) async fn restore_account(
    member: SessionMember,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (id, now) = (member.account.id, state.clock.now());
    let happening = Happening::of(client, &request, now);
    let write = state.store.write(move |tx| {
        let account = accounts::locked(tx.connection(), id)?.ok_or(Abort::Refused(Refused::Gone))?;
        match account.deletion_at {
            None => return Ok(account),
            Some(at) if at <= now => return Err(Abort::Refused(Refused::TooLate)),
            Some(_) => {}
        }
        deletion::ask(tx.connection(), id, None, now)?;
        happening.note(tx, &account, SecurityEvent::DeletionTakenBack, json!({}))?;
        Ok(Account {
            deletion_at: None,
            ..account
        })
    });
    let account = write.await.map_err(or_refused(Problem::from))?;
    Ok(HttpResponse::Ok().json(AccountView::from(account)))
}
