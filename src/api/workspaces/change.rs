//! Changing a workspace: its share in each queue, what it may use, and from where it may send mails.
//!
//! Guarantees: a change is committed before it is answered; each number that is set is an act of the operator; a quota holds at
//! once on this node and within a few seconds on others.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use utoipa::ToSchema;

use super::view::{Known, WorkspaceView};
use crate::api::auth::{Member, Operator};
use crate::api::failure::or_refused;
use crate::api::http::{Fields, PathParam, Problem, RequestId, StrictJson};
use crate::api::order::ranged;
use crate::api::then::Then;
use crate::api::{State, acting};
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::email::EmailAddress;
use crate::domain::id::WorkspaceId;
use crate::store::Abort;
use crate::store::acts::{self, NewAct};
use crate::store::workspaces::{self, BYTES_MAX, COUNT_MAX, WEIGHT_MAX, WorkspaceChange};
use crate::telemetry::names::event;

/// What is to be changed; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[schema(as = WorkspaceChange)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct WorkspaceBody {
    /// Its share in each queue.
    #[schema(minimum = 1, maximum = 100)]
    weight: Option<i64>,
    /// How many jobs it may have waiting; 0 is no quota, null what the settings say (`limits.jobs_waiting`).
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000)]
    jobs_waiting_max: Option<Option<i64>>,
    /// How many mails it may send within a day; 0 is no quota, null what the settings say (`limits.mails_per_day`).
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000)]
    mails_per_day: Option<Option<i64>>,
    /// How many bytes of files it may keep; 0 is no quota, null what the settings say (`limits.bytes_stored_max`).
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_125_899_906_842_624_i64)]
    bytes_stored_max: Option<Option<i64>>,
    /// The domains from which it may send mails besides the service's own address; an empty list takes them all back.
    #[schema(max_items = 100)]
    sender_domains: Option<Vec<String>>,
}

/// The most domains of one workspace.
const DOMAINS_MAX: usize = 100;

/// A value that is given, if only as null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl WorkspaceBody {
    /// # Errors
    /// 422 with pointers for what is wrong.
    fn checked(self) -> Result<WorkspaceChange, Problem> {
        let mut fields = Fields::new();
        let sender_domains = self.sender_domains.map(|given| domains(&given, &mut fields));
        let weight = ranged(&mut fields, "/weight", self.weight, 1, i64::from(WEIGHT_MAX));
        let mut quota = |pointer: &str, given: Option<Option<i64>>, max: u64| {
            let max = i64::try_from(max).unwrap_or(i64::MAX);
            given.map(|value| ranged::<u64>(&mut fields, pointer, value, 0, max))
        };
        let change = WorkspaceChange {
            weight,
            jobs_waiting_max: quota("/jobs_waiting_max", self.jobs_waiting_max, COUNT_MAX),
            mails_per_day: quota("/mails_per_day", self.mails_per_day, COUNT_MAX),
            bytes_stored_max: quota("/bytes_stored_max", self.bytes_stored_max, BYTES_MAX),
            sender_domains,
        };
        fields.finish()?;
        Ok(change)
    }
}

/// The domains, as they are kept: in ASCII and in lower case, each once.
fn domains(given: &[String], fields: &mut Fields) -> Vec<String> {
    if given.len() > DOMAINS_MAX {
        fields.refuse("/sender_domains", format!("must have at most {DOMAINS_MAX} domains"));
        return Vec::new();
    }
    let mut all = Vec::with_capacity(given.len());
    for (index, domain) in given.iter().enumerate() {
        // As of an address there.
        let address = EmailAddress::parse_international(&format!("a@{domain}"));
        let domain = fields.check(&format!("/sender_domains/{index}"), address);
        all.extend(domain.map(|address| address.domain().to_ascii_lowercase()));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Changes a workspace: its share in each queue, what it may use, and from where it may send.
///
/// A turn in a queue is four jobs for each unit of the weight: a workspace with weight 3 starts twelve jobs where one with
/// weight 1 starts four, as long as both have any waiting.
#[utoipa::path(
    patch, path = "/v1/workspaces/{id}", tag = "operators", security(("operator" = [])),
    params(("id" = WorkspaceId, Path, description = "Which workspace.")),
    request_body(content = WorkspaceBody, examples(
        ("weight" = (summary = "Three times the share of others", value = json!({ "weight": 3 }))),
        ("quotas" = (summary = "More mails, no bound on bytes, jobs as the settings say", value = json!({
            "mails_per_day": 50000, "bytes_stored_max": 0, "jobs_waiting_max": null
        }))),
        ("senders" = (summary = "Mails from its own domain", value = json!({ "sender_domains": ["example.com"] }))),
    )),
    responses((status = 200, description = "The workspace as it is now.", body = WorkspaceView)),
)]
pub(in crate::api) async fn update_workspace(
    Then(Operator(member), Then(PathParam(id), StrictJson(body))): Then<
        Operator,
        Then<PathParam<WorkspaceId>, StrictJson<WorkspaceBody>>,
    >,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let change = body.checked()?;
    let acts = acts_of(id, &change, &member, &request, state.clock.now());
    let written = change.clone();
    let write = state.store.write(move |tx| {
        let record = workspaces::change(tx.connection(), id, &written)?.ok_or(Abort::Refused(()))?;
        for act in &acts {
            acts::record(tx, act)?;
        }
        Ok((record.quotas, Known::of(tx.connection(), record)?))
    });
    let (quotas, known) = write.await.map_err(or_refused(|()| Problem::not_found()))?;
    state.quotas.set(id, quotas);
    state.depths.bound_anew(id);
    if let Some(weight) = change.weight {
        tracing::warn!(
            event = event::WEIGHT_SET,
            workspace = %id,
            weight,
            account = %member.account.id,
            request_id = request.as_str(),
            "an operator set a workspace's weight"
        );
    }
    if has_quota(&change) {
        tracing::warn!(
            event = event::QUOTAS_SET,
            workspace = %id,
            jobs_waiting_max = quotas.jobs_waiting_max,
            mails_per_day = quotas.mails_per_day,
            bytes_stored_max = quotas.bytes_stored_max,
            account = %member.account.id,
            request_id = request.as_str(),
            "an operator set what a workspace may use"
        );
    }
    if let Some(domains) = &change.sender_domains {
        tracing::warn!(
            event = event::SENDERS_SET,
            workspace = %id,
            domains = domains.join(","),
            account = %member.account.id,
            request_id = request.as_str(),
            "an operator set from which domains a workspace may send"
        );
    }
    Ok(HttpResponse::Ok().json(WorkspaceView::of(known, &state)))
}

const fn has_quota(change: &WorkspaceChange) -> bool {
    change.jobs_waiting_max.is_some() || change.mails_per_day.is_some() || change.bytes_stored_max.is_some()
}

/// What is written down of a change.
fn acts_of(
    id: WorkspaceId,
    change: &WorkspaceChange,
    member: &Member,
    request: &RequestId,
    at: Timestamp,
) -> Vec<NewAct> {
    let act = |action, detail| NewAct {
        at,
        by: acting::by(member, request),
        action,
        subject_kind: "workspace",
        subject: id.to_string(),
        detail,
    };
    let weighed = change
        .weight
        .map(|weight| act(Action::WeighWorkspace, json!({ "weight": weight })));
    let quotas = has_quota(change).then(|| {
        let mut set = serde_json::Map::new();
        let all = [
            ("jobs_waiting_max", change.jobs_waiting_max),
            ("mails_per_day", change.mails_per_day),
            ("bytes_stored_max", change.bytes_stored_max),
        ];
        for (name, value) in all {
            set.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        act(Action::SetQuota, set.into())
    });
    let domains = change.sender_domains.as_ref();
    let senders = domains.map(|domains| act(Action::GrantSenders, json!({ "sender_domains": domains })));
    weighed.into_iter().chain(quotas).chain(senders).collect()
}
