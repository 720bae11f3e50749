//! Rounds of load by wrk, and their medians.

use std::path::Path;

use crate::machine;

/// The mail that is accepted in every measurement: one recipient, the built-in template.
pub(crate) const MAIL: &str = r#"{"to":"ada@example.com","template":"welcome","data":{"name":"Ada","link":"https://example.com/verify?token=abc"}}"#;

/// What one round came to.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) failed: u64,
}

/// Posts `body` to `url` over `connections` for `seconds`.
pub(crate) fn load(url: &str, key: &str, body: &str, connections: u32, seconds: u32) -> Round {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/yardsticks/post.lua");
    let output = machine::command("wrk")
        .args([
            "-t1",
            &format!("-c{connections}"),
            &format!("-d{seconds}s"),
            "--latency",
            "-s",
        ])
        .arg(script)
        .arg(url)
        .envs([("KEY", key), ("BODY", body)])
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
    let mut all: Vec<f64> = rounds.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
