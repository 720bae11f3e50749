//! The pages in a real browser: Chromium, driven through ChromeDriver's own protocol.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::required;
use crate::support::service::{Home, PATIENCE, breathe};

/// A browser that a test drives.
pub(super) struct Browser {
    driver: Child,
    http: reqwest::Client,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// None, said aloud, where there is no Chromium and none is required.
    pub(super) async fn start() -> Option<Self> {
        let mut command = required::program("chromium", "chromedriver")?;
        let mut driver = command
            .arg("--port=0")
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // "ChromeDriver was started successfully on port 12345."
        let port = BufReader::new(driver.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("successfully on port ")
                    .map(|(_, port)| port.trim_end_matches('.').to_owned())
            })
            .expect("chromedriver names its port");
        let profile = tempfile::tempdir().unwrap();
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let base = format!("http://127.0.0.1:{port}/session");
        let answer: Value = http
            .post(&base)
            .json(&wanted)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let id = answer["value"]["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("no browser: {answer}"));
        Some(Self {
            driver,
            http,
            session: format!("{base}/{id}"),
            _profile: profile,
        })
    }

    async fn post(&self, what: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}/{what}", self.session)).json(body);
        let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{answer}");
        answer["value"].take()
    }

    pub(super) async fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url })).await;
    }

    /// The text that a person sees.
    pub(super) async fn text(&self) -> String {
        let text = self.run("return document.body.innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a person sees this, whatever the case.
    pub(super) async fn wait_for(&self, words: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let text = self.text().await;
            if text.to_lowercase().contains(words) {
                return;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "the page never says {words:?}: {text}"
            );
            breathe().await;
        }
    }

    pub(super) async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.post(&format!("element/{element}/click"), &json!({})).await;
    }

    async fn write(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("element/{element}/value"), &json!({ "text": text }))
            .await;
    }

    async fn element(&self, css: &str) -> String {
        let found = self
            .post("element", &json!({ "using": "css selector", "value": css }))
            .await;
        let element = found.as_object().unwrap().values().next().unwrap();
        element.as_str().unwrap().to_owned()
    }

    /// What a script answers.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
            .await
    }

    /// What the browser complained of since it was asked last, such as a script that the page's policy forbids.
    pub(super) async fn complaints(&self) -> Value {
        self.post("se/log", &json!({ "type": "browser" })).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver leads a group of its own, and the browser that it started is in it.
        let group = format!("-{}", self.driver.id());
        let ended = Command::new("kill").args(["-KILL", "--", &group]).status();
        assert!(ended.is_ok_and(|status| status.success()) || std::thread::panicking());
        self.driver.wait().ok();
    }
}

#[tokio::test]
async fn the_link_in_the_mail_verifies_on_a_click_and_not_before() {
    let Some(browser) = Browser::start().await else { return };
    let home = Home::new();
    let service = home.serve();
    browser.go(&service.base).await;
    assert!(browser.text().await.contains("Legwork"), "{}", browser.text().await);
    let width = browser
        .run("return getComputedStyle(document.querySelector('main')).maxWidth")
        .await;
    assert_eq!(width, "704px", "the page's policy lets its styles hold");

    let person = json!({ "email": "ada@example.com", "password": "a good long password", "name": "Ada <b>" });
    assert_eq!(service.post_openly("/v1/accounts", &person).await.0, 202);
    let token = loop {
        let mails: Vec<String> = home
            .outbox()
            .iter()
            .map(|mail| mail.replace("=\r\n", "").replace("=3D", "="))
            .collect();
        let after = mails
            .iter()
            .find_map(|mail| mail.split_once("/verify?token=").map(|(_, rest)| rest.to_owned()));
        if let Some(rest) = after {
            break rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                .collect::<String>();
        }
        breathe().await;
    };
    let login = json!({ "email": "ada@example.com", "password": "a good long password" });
    browser.go(&service.url(&format!("/verify?token={token}"))).await;
    assert_eq!(
        service.post_openly("/v1/sessions", &login).await.0,
        401,
        "looking at the page changes nothing"
    );
    browser.click("button").await;
    browser.wait_for("account is ready").await;
    assert_eq!(service.post_openly("/v1/sessions", &login).await.0, 201);
    browser
        .go(&service.url("/verify?token=%3Cscript%3Ealert(1)%3C/script%3E"))
        .await;
    browser.click("button").await;
    browser.wait_for("not valid").await;
}

#[tokio::test]
async fn the_link_in_a_mail_of_a_stream_ends_it_on_a_click_and_leaves_other_mails_alone() {
    let Some(browser) = Browser::start().await else { return };
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let news = json!({
        "to": "op@example.com", "subject": "News", "text": "We are well.", "stream": "news", "list_unsubscribe": true
    });
    let (status, job) = service.post(&key, "/v1/emails", &news).await;
    assert_eq!(status, 202, "{job}");
    let token = loop {
        let links = home.outbox();
        let link = links.iter().find_map(|mail| mail.split_once("/unsubscribe?token="));
        if let Some((_, rest)) = link {
            break rest.split('>').next().unwrap().to_owned();
        }
        breathe().await;
    };
    let suppressions = || service.get(&key, "/v1/suppressions");
    browser.go(&service.url(&format!("/unsubscribe?token={token}"))).await;
    browser.wait_for("o***@example.com").await;
    assert_eq!(
        suppressions().await.1["data"],
        json!([]),
        "looking at the page changes nothing"
    );
    browser.click("button").await;
    browser.wait_for("you get no more mails").await;
    let (_, list) = suppressions().await;
    assert_eq!(list["data"][0]["reason"], "unsubscribe", "{list}");
    assert_eq!(browser.complaints().await, json!([]));

    let (_, job) = service.post(&key, "/v1/emails", &news).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let ended = loop {
        let (_, job) = service.get(&key, &path).await;
        if !job["finished_at"].is_null() {
            break job;
        }
        breathe().await;
    };
    assert_eq!(ended["result"]["recipients"][0]["status"], "suppressed", "{ended}");
    // The service's own mails are of no stream.
    let all = json!({ "address": "op@example.com", "reason": "manual" });
    assert_eq!(service.post(&key, "/v1/suppressions", &all).await.0, 201);
    let reset = json!({ "email": "op@example.com" });
    assert_eq!(service.post_openly("/v1/password-resets", &reset).await.0, 202);
    while !home.outbox().iter().any(|mail| mail.contains("/reset?token")) {
        breathe().await;
    }
    browser.go(&service.url("/unsubscribe?token=%3Cscript%3E")).await;
    browser.wait_for("not valid").await;
}

#[tokio::test]
async fn the_page_of_the_api_shows_every_operation_tries_one_with_a_key_and_asks_nobody_else() {
    let Some(browser) = Browser::start().await else { return };
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    browser.go(&service.url("/docs")).await;
    browser.wait_for("create_email").await;
    let (_, document) = service.get("", "/openapi.json").await;
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let text = browser.text().await;
    for operation in operations {
        let id = operation["operationId"].as_str().unwrap();
        assert!(text.contains(id), "{id}: {text}");
    }

    browser.click(".btn.authorize").await;
    browser.write("#auth-bearer-value", &key).await;
    browser.click(".auth-btn-wrapper .authorize").await;
    browser.click(".btn-done").await;
    browser
        .click("#operations-accounts-show_account .opblock-summary-control")
        .await;
    browser.wait_for("try it out").await;
    browser.click(".try-out__btn").await;
    browser.wait_for("execute").await;
    browser.click(".execute").await;
    browser.wait_for("op@example.com").await;

    let asked = browser
        .run("return performance.getEntriesByType('resource').map(entry => entry.name)")
        .await;
    let asked = asked.as_array().unwrap();
    assert!(asked.len() >= 5, "{asked:?}");
    for url in asked {
        let url = url.as_str().unwrap();
        assert!(url.starts_with(&service.base) || url.starts_with("data:"), "{url}");
    }
    assert_eq!(browser.complaints().await, json!([]));
}
