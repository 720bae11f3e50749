//! Who asks in these tests, and what they ask about: made from what the document says, so that a new operation finds both.

use std::cell::{Cell, RefCell};

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::spec::{Operation, name_of, resolved};
use crate::api::tests::{PASSWORD, World, request};
use crate::domain::job::{AttemptEnd, Retry, WhenUncertain};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// No credentials.
    Nobody,
    /// A member's login.
    Session,
    /// A member's API key.
    Key,
    /// An operator's API key.
    OperatorKey,
    /// A header `Authorization` of this content, good or not.
    Header(String),
}

impl Who {
    /// Whom the document lets in.
    pub(super) fn of(operation: &Operation) -> Self {
        match operation.role() {
            "open" => Self::Nobody,
            "member" => Self::Key,
            "session" => Self::Session,
            "operator" => Self::OperatorKey,
            role => panic!("teach this test who a {role} is"),
        }
    }
}

/// A world with people in it.
pub(super) struct Cast {
    pub(super) world: World,
    session: RefCell<String>,
    key: String,
    operator_session: String,
    operator_key: String,
    stranger: String,
    made: Cell<u32>,
}

/// What a file is called that an operation takes, in the head beside it.
pub(super) const FILE_NAME: (&str, &str) = ("content-disposition", "attachment; filename=\"a.txt\"");

/// The request with the operation's example of a file as its body, if it takes a file.
pub(super) fn with_file(operation: &Operation, asking: TestRequest) -> TestRequest {
    match operation.file() {
        Some(file) => asking.insert_header(FILE_NAME).set_payload(file),
        None => asking,
    }
}

const MEMBER: &str = "member@example.org";
const STRANGER: &str = "stranger@example.org";

impl Cast {
    pub(super) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A world with these limits, and none besides: these tests ask for more than anybody may.
    pub(super) async fn with(limits: &[(&str, &str)]) -> Self {
        let none = [
            "LEGWORK_LIMITS__MAILS_PER_HOUR",
            "LEGWORK_LIMITS__JOBS_PER_MINUTE",
            "LEGWORK_LIMITS__JOBS_WAITING",
            "LEGWORK_LIMITS__MAILS_PER_DAY",
            "LEGWORK_LIMITS__ENTRIES_PER_MINUTE",
            "LEGWORK_LIMITS__LOGINS_PER_MINUTE",
            "LEGWORK_LIMITS__RESETS_PER_HOUR",
        ];
        let none = none.map(|name| (name, "0"));
        let is_other = |name: &str| limits.iter().all(|(limit, _)| *limit != name);
        let rest = none.into_iter().filter(|(name, _)| is_other(name));
        let world = World::made(&rest.chain(limits.iter().copied()).collect::<Vec<_>>(), true);
        let session = world.member(MEMBER).await;
        let key = world.api_key(&session).await;
        let operator = world.operator().await;
        let operator_key = world.api_key(&operator).await;
        let stranger = world.member(STRANGER).await;
        // Who logs in, and what is restarted, in the examples.
        world.account("ada@example.com", false).await;
        world.start("prober").await;
        let (session, made) = (RefCell::new(session), Cell::new(0));
        Self {
            world,
            session,
            key,
            operator_session: operator,
            operator_key,
            stranger,
            made,
        }
    }

    /// The header `Authorization` of `who`.
    pub(super) fn authorization(&self, who: &Who) -> Option<String> {
        let token = match who {
            Who::Nobody => return None,
            Who::Header(text) => return Some(text.clone()),
            Who::Session => self.session.borrow().clone(),
            Who::Key => self.key.clone(),
            Who::OperatorKey => self.operator_key.clone(),
        };
        Some(format!("Bearer {token}"))
    }

    /// The token of the member's login.
    pub(super) fn session(&self) -> String {
        self.session.borrow().clone()
    }

    /// The token of the operator's login.
    pub(super) fn operator_session(&self) -> String {
        self.operator_session.clone()
    }

    /// Whether what an operation has done may have ended the login that asked.
    pub(super) fn may_log_out(operation: &Operation) -> bool {
        operation.method == "DELETE" || matches!(operation.id(), "change_password" | "confirm_session")
    }

    /// Logs the member in anew, after something may have logged them out or given them another password.
    pub(super) async fn log_in_again(&self) {
        self.world.give_password(MEMBER).await;
        // So that it logs in by the password alone.
        self.world.forget_second_factor(MEMBER).await;
        let token = self.world.login(MEMBER).await;
        self.session.replace(token);
    }

    /// The path of `operation` with something of the member's own in it.
    pub(super) async fn path(&self, operation: &Operation) -> String {
        // So that it logs in by the password alone.
        self.world.forget_second_factor(MEMBER).await;
        if operation.id() == "replace_recovery_codes" {
            self.log_in_again().await;
            self.world.second_factor(&self.session()).await;
        }
        let token = self.session();
        if operation.id() == "resume_child" {
            // So that there is something to resume; it may be suspended already.
            drop(self.world.state.tree.suspend("prober"));
        }
        self.path_of(operation, MEMBER, &token).await
    }

    /// The path of `operation` with something in it that belongs to another workspace; none if it takes no ids of such things.
    pub(super) async fn foreign_path(&self, operation: &Operation) -> Option<String> {
        let takes_ids = operation
            .parameters("path")
            .iter()
            .any(|one| name_of(&one["schema"]).is_some_and(|name| name.ends_with("Id")));
        // What only operators may ask for they may ask of all.
        if !takes_ids || operation.role() == "operator" {
            return None;
        }
        Some(self.path_of(operation, STRANGER, &self.stranger).await)
    }

    /// What the stranger has, of the sort that is named so, in some of the states in which it can be.
    pub(super) async fn of_the_stranger(&self, sort: &str) -> Vec<String> {
        let token = &self.stranger;
        let me = async |field: &str| {
            let me = self.world.get("/v1/accounts/me", token).await;
            me.body[field].as_str().unwrap().to_owned()
        };
        match sort {
            "JobId" => vec![self.job("show_job", token).await, self.job("retry_job", token).await],
            "SessionId" => {
                let other = self.world.login(STRANGER).await;
                vec![self.id_at("/v1/sessions/current", &other).await]
            }
            "ApiKeyId" => vec![self.api_key(STRANGER).await],
            "ScheduleId" => vec![
                self.schedule("show_schedule", token).await,
                self.schedule("resume_schedule", token).await,
            ],
            "ReportId" => {
                let (waiting, built) = (self.world.report(token).await, self.world.report(token).await);
                self.world.build(built).await;
                vec![waiting.to_string(), built.to_string()]
            }
            "BatchId" => vec![self.batch(token).await],
            "UploadId" => vec![self.upload(token).await],
            "TemplateId" => vec![self.template(token).await],
            "SuppressionId" => vec![self.suppression(token).await],
            "WorkspaceId" => vec![me("workspace_id").await],
            "AccountId" => vec![me("id").await],
            other => panic!("teach this test how to make what has a {other}"),
        }
    }

    async fn path_of(&self, operation: &Operation, email: &str, token: &str) -> String {
        let mut path = operation.path.clone();
        for parameter in operation.parameters("path") {
            let name = parameter["name"].as_str().unwrap();
            let value = match name_of(&parameter["schema"]) {
                Some("JobId") => self.job(operation.id(), token).await,
                Some("SessionId") => {
                    let other = self.world.login(email).await;
                    self.id_at("/v1/sessions/current", &other).await
                }
                Some("ApiKeyId") => self.api_key(email).await,
                Some("ScheduleId") => self.schedule(operation.id(), token).await,
                Some("TemplateId") => self.template(token).await,
                Some("ReportId") => {
                    let id = self.world.report(token).await;
                    self.world.build(id).await;
                    id.to_string()
                }
                Some("BatchId") => self.batch(token).await,
                Some("UploadId") => self.upload(token).await,
                Some("SuppressionId") => self.suppression(token).await,
                Some("WorkspaceId") => {
                    let me = self.world.get("/v1/accounts/me", token).await;
                    me.body["workspace_id"].as_str().unwrap().to_owned()
                }
                Some(other) if !other.ends_with("Id") => {
                    resolved(&parameter["schema"])["enum"][0].as_str().unwrap().to_owned()
                }
                Some(other) => panic!("teach this test how to make what has a {other}"),
                None => match &parameter["example"] {
                    Value::String(text) => text.clone(),
                    Value::Null => panic!("a parameter that is no id needs an example"),
                    other => other.to_string(),
                },
            };
            path = path.replace(&format!("{{{name}}}"), &value);
        }
        if operation.id() == "delete_built_in" {
            // So that there is something to bring back.
            let body = json!({ "subject": "Reset", "html": "<p>{{ link }}</p>" });
            let put = request(Method::PUT, &path, &self.operator_session).set_json(body);
            self.world.send(put).await.is(200, &[]);
        }
        if matches!(operation.id(), "show_limit" | "delete_limit") {
            // So that there is one.
            let set = request(Method::PUT, &path, token).set_json(json!({ "concurrency": 1 }));
            self.world.send(set).await.is(200, &[]);
        }
        path
    }

    /// A template with one version, for whatever an example has as data.
    async fn template(&self, token: &str) -> String {
        let number = self.made.get() + 1;
        self.made.set(number);
        let body = json!({ "name": format!("made-{number}"), "subject": "Hello", "html": "<p>Hello</p>" });
        let made = self.world.post("/v1/templates", token, &body).await;
        if let Some(id) = made.body["id"].as_str() {
            return id.to_owned();
        }
        // The workspace has as many as it may: any of them does.
        let all = self.world.get("/v1/templates", token).await;
        all.body["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// A key that was not rotated, of whom has this address.
    async fn api_key(&self, email: &str) -> String {
        // Anew, since it must have shown the password lately.
        let token = self.world.login(email).await;
        let body = json!({ "name": "x", "scopes": ["*"] });
        let made = self.world.post("/v1/api-keys", &token, &body).await;
        if let Some(id) = made.body["id"].as_str() {
            return id.to_owned();
        }
        // The account has as many as it may: any of them does, but the one that this test comes in by.
        let all = self.world.get("/v1/api-keys", &token).await;
        let mut all = all.body["data"].as_array().unwrap().iter();
        let free =
            all.find(|key| key["replaced_by"].is_null() && !self.key.starts_with(key["prefix"].as_str().unwrap()));
        free.unwrap()["id"].as_str().unwrap().to_owned()
    }

    async fn job(&self, operation: &str, token: &str) -> String {
        let id = self.world.probe(token).await;
        if operation == "retry_job" {
            let cancel = request(Method::POST, &format!("/v1/jobs/{id}/cancel"), token);
            self.world.send(cancel).await.is(200, &[]);
        }
        if operation == "resolve_job" {
            let claimed = self.world.claim_up_to(1_000).await;
            let held = claimed.iter().find(|held| held.id == id).unwrap();
            let end = AttemptEnd::Uncertain(WhenUncertain::Hold, Retry::Never);
            self.world.finish(held, end).await;
        }
        id.to_string()
    }

    /// A batch of one job, to which more can be added.
    async fn batch(&self, token: &str) -> String {
        let body = json!({ "jobs": [{ "kind": "probe.run", "args": { "steps": 1 } }], "open": true });
        let made = self.world.post("/v1/batches", token, &body).await;
        made.is(202, &[]);
        made.body["id"].as_str().unwrap().to_owned()
    }

    /// A file that no mail needs.
    async fn upload(&self, token: &str) -> String {
        let upload = request(Method::POST, "/v1/uploads?name=a.txt", token).set_payload("abc");
        let made = self.world.send(upload).await;
        made.is(201, &[]);
        made.body["id"].as_str().unwrap().to_owned()
    }

    async fn suppression(&self, token: &str) -> String {
        let number = self.made.get() + 1;
        self.made.set(number);
        let body = json!({ "address": format!("gone{number}@example.org"), "reason": "manual" });
        let made = self.world.post("/v1/suppressions", token, &body).await;
        made.is(201, &[]);
        made.body["id"].as_str().unwrap().to_owned()
    }

    async fn schedule(&self, operation: &str, token: &str) -> String {
        let number = self.made.get() + 1;
        self.made.set(number);
        let body = json!({
            "name": format!("made {number}"), "cron": "@daily", "time_zone": "UTC",
            "job": { "kind": "probe.run", "args": { "steps": 1 } }
        });
        let made = self.world.post("/v1/schedules", token, &body).await;
        let id = match made.body["id"].as_str() {
            Some(id) => id.to_owned(),
            // The workspace has as many as it may: any of them does.
            None => {
                let all = self.world.get("/v1/schedules", token).await;
                all.body["data"][0]["id"].as_str().unwrap().to_owned()
            }
        };
        if operation == "resume_schedule" {
            let pause = request(Method::POST, &format!("/v1/schedules/{id}/pause"), token);
            self.world.send(pause).await.is(200, &[]);
        }
        id
    }

    async fn id_at(&self, uri: &str, token: &str) -> String {
        self.world.get(uri, token).await.body["id"].as_str().unwrap().to_owned()
    }

    /// The example with what no document can hold: a token that was just mailed, a job that is there.
    pub(super) async fn prepared(&self, operation: &Operation, mut example: Value) -> Value {
        if operation.id() == "verify_account" {
            let number = self.made.get() + 1;
            self.made.set(number);
            self.world.register(&format!("new{number}@example.org")).await;
            example["token"] = self.world.newest_token().await.into();
        }
        match operation.id() {
            "confirm_second_factor" => {
                self.log_in_again().await;
                let secret = self.world.begin_second_factor(&self.session()).await;
                example["code"] = self.world.code(&secret).into();
            }
            "delete_second_factor" => {
                self.log_in_again().await;
                let (secret, _) = self.world.second_factor(&self.session()).await;
                example["code"] = self.world.next_code(&secret).into();
            }
            "confirm_session" => {
                example["password"] = PASSWORD.into();
                self.log_in_again().await;
            }
            "change_password" => {
                example["current_password"] = PASSWORD.into();
                self.log_in_again().await;
            }
            "confirm_password_reset" => {
                let number = self.made.get() + 1;
                self.made.set(number);
                let email = format!("forgetful{number}@example.org");
                self.world.account(&email, false).await;
                example["token"] = self.world.reset_token(&email).await.into();
            }
            "confirm_address" => {
                let number = self.made.get() + 1;
                self.made.set(number);
                let session = self.world.member(&format!("mover{number}@example.org")).await;
                let email = format!("moved{number}@example.org");
                example["token"] = self.world.address_token(&session, &email).await.into();
            }
            _ => {}
        }
        let (session, example_id) = (self.session(), "upl_0193a0f2b1c47d3e8f90a1b2c3d4e5f6");
        let text = example.to_string();
        if text.contains(example_id) {
            let upload = self.upload(&session).await;
            example = serde_json::from_str(&text.replace(example_id, &upload)).unwrap();
        }
        if example["after"].is_array() {
            example["after"] = json!([self.world.probe(&self.session()).await]);
        }
        example
    }
}
