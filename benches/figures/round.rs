//! Rounds of load by wrk, and their medians.

use std::path::Path;

use crate::machine;

/// The mail that is accepted in every measurement: one recipient, the built-in template.
pub(crate) const MAIL: &str = r#"{"to":"ada@example.com","template":"welcome","data":{"name":"Ada","link":"https://example.com/verify?token=abc"}}"#;

/// What is asked again and again.
pub(crate) struct Request<'a> {
    method: &'a str,
    url: &'a str,
    /// An API key or a login's token.
    token: &'a str,
    /// JSON; empty for none.
    body: &'a str,
}

/// What one round came to.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) failed: u64,
}

impl<'a> Request<'a> {
    /// `GET url`.
    pub(crate) fn get(url: &'a str, token: &'a str) -> Self {
        Self {
            method: "GET",
            url,
            token,
            body: "",
        }
    }

    /// `POST url` with this body.
    pub(crate) fn post(url: &'a str, token: &'a str, body: &'a str) -> Self {
        Self {
            method: "POST",
            url,
            token,
            body,
        }
    }
}

impl Round {
    /// What it came to, in one line.
    pub(crate) fn line(self, who: &str, connections: u32) -> String {
        format!(
            "{who:>9}, {connections} connections: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {} failed",
            self.per_second, self.p50_ms, self.p99_ms, self.failed
        )
    }
}

/// Sends a request over and over on `connections` for `seconds`.
pub(crate) fn load(request: &Request<'_>, connections: u32, seconds: u32) -> Round {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/yardsticks/request.lua");
    let output = machine::command("wrk")
        .args([
            "-t1",
            &format!("-c{connections}"),
            &format!("-d{seconds}s"),
            "--timeout=30s",
            "--latency",
            "-s",
        ])
        .arg(script)
        .arg(request.url)
        .envs([
            ("METHOD", request.method),
            ("KEY", request.token),
            ("BODY", request.body),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text
        .lines()
        .last()
        .unwrap_or_default()
        .split(' ')
        .flat_map(str::parse)
        .collect();
    let [per_second, p50_ms, p99_ms, failed] = numbers[..] else {
        panic!("wrk said: {text}{}", String::from_utf8_lossy(&output.stderr));
    };
    Round {
        per_second,
        p50_ms,
        p99_ms,
        failed: failed as u64,
    }
}

/// The middle one of what `of` says of the rounds.
pub(crate) fn median(rounds: &[Round], of: fn(&Round) -> f64) -> f64 {
    middle(rounds.iter().map(of))
}

/// The middle one.
pub(crate) fn middle(all: impl IntoIterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.into_iter().collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
