//! The service as a process, with an operator's key.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running service in a folder of its own.
pub(crate) struct Server {
    process: Child,
    pub(crate) base: String,
    pub(crate) key: String,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
}

impl Server {
    /// Starts it in `folder` with these settings beside the defaults, and makes an operator if there is none.
    pub(crate) fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let bind = format!("127.0.0.1:{port}");
        let command = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_legwork"));
            command
                .args(arguments)
                .current_dir(folder)
                .env("LEGWORK_HTTP__BIND", &bind)
                .envs(settings.iter().copied());
            command
        };
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(folder.join("log"))
            .unwrap();
        let process = command(&[]).stderr(log).spawn().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut server = Self {
            process,
            base: format!("http://{bind}"),
            key: String::new(),
            runtime,
            http: reqwest::Client::new(),
        };
        server.wait_until(|server| server.answers());
        let kept = folder.join("key");
        if let Ok(key) = std::fs::read_to_string(&kept) {
            server.key = key;
            return server;
        }
        let mut making = command(&["account", "create", "--operator", "--email", "operator@example.com"])
            .args(["--password-stdin", "--api-key"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        making
            .stdin
            .take()
            .unwrap()
            .write_all(b"a long password for figures\n")
            .unwrap();
        let said = making.wait_with_output().unwrap();
        let made: Value = serde_json::from_slice(&said.stdout).unwrap();
        server.key = made["api_key"].as_str().unwrap().to_owned();
        std::fs::write(kept, &server.key).unwrap();
        server
    }

    fn answers(&self) -> bool {
        let live = self.http.get(format!("{}/health/live", self.base)).send();
        self.runtime
            .block_on(live)
            .is_ok_and(|answer| answer.status().is_success())
    }

    /// What `GET path` answers.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.json(self.http.get(format!("{}{path}", self.base)))
    }

    /// What `POST path` with this body answers.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.json(self.http.post(format!("{}{path}", self.base)).json(body))
    }

    /// Has a queue hand out nothing until [`Server::resume`].
    pub(crate) fn pause(&self, queue: &str) {
        self.post(
            &format!("/v1/queues/{queue}/pause"),
            &Value::Object(serde_json::Map::new()),
        );
    }

    /// Has a queue hand out jobs again.
    pub(crate) fn resume(&self, queue: &str) {
        self.post(
            &format!("/v1/queues/{queue}/resume"),
            &Value::Object(serde_json::Map::new()),
        );
    }

    /// Waits until a queue has neither waiting nor running jobs.
    pub(crate) fn wait_until_drained(&self, queue: &str) {
        for state in ["available", "running", "retryable"] {
            let path = format!("/v1/jobs?queue={queue}&state={state}&limit=1");
            self.wait_until(|server| server.get(&path)["data"].as_array().unwrap().is_empty());
        }
    }

    /// Waits until a job has ended and answers it.
    pub(crate) fn wait_for_job(&self, id: &str) -> Value {
        let path = format!("/v1/jobs/{id}");
        self.wait_until(|server| !server.get(&path)["finished_at"].is_null());
        self.get(&path)
    }

    fn wait_until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "waited for {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A line of `/proc/…/status` of the process, in KiB, such as `VmHWM`.
    pub(crate) fn memory_kib(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let found = status.lines().find(|text| text.starts_with(line)).unwrap();
        found.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Has `VmHWM` start anew from what is resident now.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").unwrap();
    }

    fn json(&self, request: reqwest::RequestBuilder) -> Value {
        self.runtime.block_on(async {
            let answer = request.bearer_auth(&self.key).send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success(), "{status}: {text}");
            serde_json::from_str(&text).unwrap()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failure means that it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
