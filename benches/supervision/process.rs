//! This process as the kernel sees it, and parts of a measurement in processes of their own.

use std::process::Command;

/// Resident memory of this process, in bytes.
pub(crate) fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

/// Seconds that the processor has worked for this process, all threads that still run.
pub(crate) fn busy() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = threads.map(|thread| -> f64 {
        let text = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
        text.split_whitespace()
            .next()
            .map_or(0.0, |first| first.parse().unwrap())
    });
    nanos.sum::<f64>() / 1e9
}

/// The numbers that a part prints, run in a process of its own.
pub(crate) fn part(name: &str) -> Vec<f64> {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).arg(name).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{name} said: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}
