//! The service as a process of its own, in a folder of its own: started, called, killed and started again.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::leaks::leaks;
use super::log_table::LogTable;

/// The longest that a test waits for anything: far beyond what is needed on a loaded machine with two cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for a service, with the settings that its processes are started with.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    settings: Vec<(&'static str, String)>,
    program: PathBuf,
}

/// A running service.
pub(crate) struct Service {
    process: Child,
    log: Arc<Log>,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

/// The lines of a log as they come.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    grown: Condvar,
}

/// What a finished command said.
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The cheapest hash there is: these tests are not about hashing.
        let settings = vec![
            ("LEGWORK_HTTP__BIND", "127.0.0.1:0".to_owned()),
            ("LEGWORK_LOG__FORMAT", "json".to_owned()),
            ("LEGWORK_PASSWORDS__MEMORY_KIB", "64".to_owned()),
            ("LEGWORK_PASSWORDS__PASSES", "1".to_owned()),
        ];
        Self {
            folder,
            settings,
            program: PathBuf::from(env!("CARGO_BIN_EXE_legwork")),
        }
    }

    /// The same for a binary of another version.
    pub(crate) fn of(mut self, program: &Path) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("data/legwork.db")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_under(&[], arguments)
    }

    /// The program, started by another one if `wrapper` names it.
    fn command_under(&self, wrapper: &[&str], arguments: &[&str]) -> Command {
        let program = &self.program;
        let mut command = match wrapper {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command
            .current_dir(self.path())
            .args(arguments)
            .envs(self.settings.iter().cloned());
        command
    }

    /// Runs a command of the command line to its end.
    pub(crate) fn run(&self, arguments: &[&str], stdin: &str) -> Said {
        let mut command = self.command(arguments);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut process.stdin.take().unwrap(), stdin.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(leaks(&stderr), Vec::<String>::new(), "{stderr}");
        Said {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr,
        }
    }

    /// Makes an operator and answers its API key.
    pub(crate) fn operator(&self) -> String {
        let arguments = [
            "account",
            "create",
            "--operator",
            "--email",
            "op@example.com",
            "--password-stdin",
            "--api-key",
        ];
        let said = self.run(&arguments, "a good long password\n");
        assert!(said.status.success(), "{}", said.stderr);
        let made: Value = serde_json::from_str(&said.stdout).unwrap();
        made["api_key"].as_str().unwrap().to_owned()
    }

    /// Starts the service and waits until it serves.
    pub(crate) fn serve(&self) -> Service {
        self.serve_with(&[])
    }

    /// The same, with these flags.
    pub(crate) fn serve_with(&self, flags: &[&str]) -> Service {
        Self::started(self.command(&["serve"]).args(flags))
    }

    /// The same, started by `wrapper`, which must become the service's process or leave that to be its child.
    pub(crate) fn serve_under(&self, wrapper: &[&str]) -> Service {
        Self::started(&mut self.command_under(wrapper, &["serve"]))
    }

    fn started(command: &mut Command) -> Service {
        let mut process = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::follow(process.stderr.take().unwrap());
        let serving = log.wait_for(|line| line["event"] == "serving");
        let base = format!("http://{}", serving["address"].as_str().unwrap());
        // A client for each service: a connection that a killed service left is not tried again.
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Service {
            process,
            log,
            base,
            http,
        }
    }

    /// The mails in the outbox.
    pub(crate) fn outbox(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.path().join("data/outbox")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let mails = paths.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
        mails.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

impl Log {
    fn follow(stderr: std::process::ChildStderr) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                writer.lines.lock().unwrap().0.push(line);
                writer.grown.notify_all();
            }
            writer.lines.lock().unwrap().1 = true;
            writer.grown.notify_all();
        });
        log
    }

    /// Waits for the end of the log of a process that has ended, and asserts that each line keeps to `docs/LOG.md` and holds
    /// neither an address nor a secret.
    fn check(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().unwrap();
        while !lines.1 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the log of a process that ended does not end");
            lines = self.grown.wait_timeout(lines, left).unwrap().0;
        }
        let table = LogTable::read();
        for (at, line) in lines.0.iter().enumerate() {
            let mut wrong: Vec<String> = leaks(line).iter().map(|leak| format!("it holds {leak}")).collect();
            // The last line of a process that was killed may be cut off.
            let is_whole = line.ends_with('}') || at + 1 < lines.0.len();
            if is_whole {
                wrong.extend(table.objections(line));
            }
            assert!(wrong.is_empty(), "{}: {line}", wrong.join("; "));
        }
    }

    fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        let mut lines = self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        loop {
            for line in &lines.0[seen..] {
                if let Ok(line) = serde_json::from_str::<Value>(line)
                    && wanted(&line)
                {
                    return line;
                }
            }
            seen = lines.0.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !lines.1,
                "no such line in the log:\n{}",
                lines.0.join("\n")
            );
            lines = self.grown.wait_timeout(lines, left).unwrap().0;
        }
    }
}

impl Service {
    /// A line of the log that is `wanted`, past or to come.
    pub(crate) fn log_line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.log.wait_for(wanted)
    }

    /// The whole log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().0.clone()
    }

    /// Adds a line to the log as if the service had written it, for the test of the check.
    pub(crate) fn plant(&self, line: &str) {
        self.log.lines.lock().unwrap().0.push(line.to_owned());
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn get(&self, key: &str, path: &str) -> (u16, Value) {
        read(self.http.get(self.url(path)).bearer_auth(key)).await
    }

    pub(crate) async fn post(&self, key: &str, path: &str, body: &Value) -> (u16, Value) {
        read(self.http.post(self.url(path)).bearer_auth(key).json(body)).await
    }

    pub(crate) async fn post_openly(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.http.post(self.url(path)).json(body)).await
    }

    pub(crate) async fn delete(&self, key: &str, path: &str) -> (u16, Value) {
        read(self.http.delete(self.url(path)).bearer_auth(key)).await
    }

    /// Takes a probe and answers its job's id.
    pub(crate) async fn probe(&self, key: &str, body: &Value) -> String {
        let (status, job) = self.post(key, "/v1/probes", body).await;
        assert_eq!(status, 202, "{job}");
        job["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a job is as `wanted`.
    pub(crate) async fn job_when(&self, key: &str, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, job) = self.get(key, &format!("/v1/jobs/{id}")).await;
            assert_eq!(status, 200, "{job}");
            if wanted(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "the job stays {job}");
            breathe().await;
        }
    }

    /// Kills the process so that it cannot do anything more.
    pub(crate) fn kill_9(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.process.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end of the process, and answers its code and its log.
    pub(crate) fn wait(mut self) -> (Option<i32>, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "the service does not end:\n{}",
                self.log().join("\n")
            );
            std::thread::yield_now();
        };
        (status.code(), self.log())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already gone where the test ended it.
        if self.process.try_wait().is_ok_and(|status| status.is_none()) {
            self.process.kill().unwrap();
            self.process.wait().unwrap();
        }
        // So the log of the whole suite is looked through, whatever the tests are about.
        if !std::thread::panicking() {
            self.log.check();
        }
    }
}

/// A pause between two looks at something that changes by itself; how often one looks decides nothing.
pub(crate) async fn breathe() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or_else(|_not_json| json!(text)),
    )
}
