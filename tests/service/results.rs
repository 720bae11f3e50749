//! The results of jobs as a running service answers them, against its own description of them.

use serde_json::{Value, json};

use crate::support::relay::{Relay, Step};
use crate::support::service::Home;

/// What is wrong with `result` as a `name` of the document; objects are closed to fields that it does not name.
fn objections(document: &Value, name: &str, result: &Value) -> Vec<String> {
    let mut components = document["components"].clone();
    for schema in components["schemas"].as_object_mut().unwrap().values_mut() {
        if schema["properties"].is_object() {
            schema["additionalProperties"] = json!(false);
        }
    }
    let schema = json!({ "components": components, "$ref": format!("#/components/schemas/{name}") });
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&schema);
    let validator = validator.unwrap();
    validator.iter_errors(result).map(|error| error.to_string()).collect()
}

/// The paths that take work, but for the one that takes many mails, which are jobs like one.
fn work(document: &Value) -> Vec<&str> {
    let paths = document["paths"].as_object().unwrap().iter();
    let takes_work = paths.filter(|(_, path)| path["post"]["tags"][0] == "work");
    let paths = takes_work.map(|(path, _)| path.as_str());
    paths.filter(|path| *path != "/v1/emails/batch").collect()
}

#[tokio::test]
async fn the_result_of_each_kind_of_work_is_as_described() {
    let relay = Relay::start();
    relay
        .at(Step::Rcpt)
        .recipient("eve@example.org")
        .reply("550 5.1.1 no such user");
    let home = Home::new().with("LEGWORK_MAIL__URL", relay.url());
    let key = home.operator();
    let service = home.serve();
    let (_, document) = service.get("", "/openapi.json").await;
    let probe = json!({ "steps": 3 });
    let mail = json!({ "to": ["bob@example.org", "eve@example.org"], "subject": "Hello", "text": "Hello" });
    let report = json!({ "table": "jobs", "format": "csv" });
    let all = [
        ("/v1/emails", mail, "EmailResult"),
        ("/v1/probes", probe, "ProbeResult"),
        ("/v1/reports", report, "ReportResult"),
    ];
    assert_eq!(
        work(&document),
        all.each_ref().map(|(path, ..)| *path),
        "the routes that take work"
    );
    for (path, body, name) in all {
        let (status, job) = service.post(&key, path, &body).await;
        assert_eq!(status, 202, "{job}");
        let ended = |job: &Value| job["finished_at"].is_string();
        let job = service.job_when(&key, job["id"].as_str().unwrap(), ended).await;
        assert_eq!(job["state"], "completed", "{job}");
        let wrong = objections(&document, name, &job["result"]);
        assert_eq!(wrong, Vec::<String>::new(), "{name}: {job}");
    }
}
