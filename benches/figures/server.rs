//! The service as a process, with an operator's key.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use legwork::clock::Clock;
use serde_json::{Value, json};

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often something is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(10);
/// How much of the service's log is shown after an error, of what is above info.
const LOG_LINES: usize = 20;
/// The operator's address and password.
const EMAIL: &str = "operator@example.com";
const PASSWORD: &str = "a long password for figures";
/// The most probes in one request.
const BATCH_MAX: u64 = 100_000;

/// A running service in a folder of its own.
pub(crate) struct Server {
    process: Child,
    log: PathBuf,
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
        let log = folder.join("log");
        let file = std::fs::File::options().append(true).create(true).open(&log).unwrap();
        let process = command(&[]).stderr(file).spawn().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut server = Self {
            process,
            log,
            base: format!("http://{bind}"),
            key: String::new(),
            runtime,
            // A connection that lay idle while a load ran may be at its end, and nobody looked at it meanwhile.
            http: reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap(),
        };
        server.wait_until(LOOK, |server| server.answers());
        let kept = folder.join("key");
        if let Ok(key) = std::fs::read_to_string(&kept) {
            server.key = key;
            return server;
        }
        let mut making = command(&["account", "create", "--operator", "--email", EMAIL])
            .args(["--password-stdin", "--api-key"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        making
            .stdin
            .take()
            .unwrap()
            .write_all(format!("{PASSWORD}\n").as_bytes())
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

    /// Adds so many probes that do nothing.
    pub(crate) fn fill(&self, count: u64) {
        let mut left = count;
        while left > 0 {
            let portion = left.min(BATCH_MAX);
            self.post("/v1/probes/batch", &json!({"count": portion, "steps": 0}));
            left -= portion;
        }
    }

    /// Makes a probe and answers it once it has ended, by `Prefer: wait`.
    pub(crate) fn perform(&self, probe: &'static str) -> Value {
        let request = self.http.post(format!("{}/v1/probes", self.base)).body(probe);
        let request = request.header("content-type", "application/json");
        self.json(request.header("prefer", "wait=60"))
    }

    /// A login's token.
    pub(crate) fn log_in(&self) -> String {
        let made = self.post("/v1/sessions", &credentials());
        made["token"].as_str().unwrap().to_owned()
    }

    /// How a queue stands.
    pub(crate) fn queue(&self, name: &str) -> Value {
        let all = self.get("/v1/queues");
        let found = all["data"].as_array().unwrap().iter().find(|one| one["name"] == name);
        found.unwrap().clone()
    }

    /// Waits until a queue has neither waiting nor running jobs. It looks seldom, so that looking costs little; what is
    /// measured ends with the jobs' own times.
    pub(crate) fn wait_until_idle(&self, queue: &str) {
        self.wait_until(Duration::from_millis(200), |server| {
            let standing = server.queue(queue);
            standing["waiting"] == 0 && standing["running"] == 0
        });
    }

    /// Waits until so many jobs of a queue run.
    pub(crate) fn wait_until_running(&self, queue: &str, count: u64) {
        self.wait_until(LOOK, |server| server.queue(queue)["running"] == count);
    }

    /// Waits until a job has ended and answers it.
    pub(crate) fn wait_for_job(&self, id: &str) -> Value {
        let path = format!("/v1/jobs/{id}");
        self.wait_until(LOOK, |server| !server.get(&path)["finished_at"].is_null());
        self.get(&path)
    }

    fn wait_until(&self, pause: Duration, mut holds: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "waited for {PATIENCE:?}");
            std::thread::sleep(pause);
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

    /// What an error left behind, since the log goes with its folder.
    fn tell(&mut self) {
        println!("the service: {:?}; the end of its log:", self.process.try_wait());
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let worth = text.lines().filter(|line| !line.contains(r#""level":"INFO""#));
        let lines: Vec<&str> = worth.collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
            println!("{line}");
        }
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
        if std::thread::panicking() {
            self.tell();
        }
        // A failure means that it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What the operator logs in with.
pub(crate) fn credentials() -> Value {
    json!({"email": EMAIL, "password": PASSWORD})
}

/// The present time in microseconds, as jobs' times are stored.
pub(crate) fn now_micros() -> u64 {
    Clock::System.now().as_micros().try_into().unwrap()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
