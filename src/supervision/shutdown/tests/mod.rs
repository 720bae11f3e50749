//! Shutdowns of tasks that end, hang, panic and fail. Tokio's time is paused (`start_paused`), so that every figure is exact.

mod faults;
mod order;
mod out_of_time;
mod random;
mod telling;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Builder;

use super::*;

/// What tasks did, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A task that notes when it begins, when it has had its time, and when its future is gone.
    fn task(&self, name: &'static str, takes: Duration) -> impl Future<Output = ()> + Send + use<> {
        let diary = self.clone();
        async move {
            let _gone = Gone(diary.clone(), name);
            diary.note(format!("{name} begins"));
            tokio::time::sleep(takes).await;
            diary.note(format!("{name} ends"));
        }
    }
}

/// Notes that what owns it is gone.
struct Gone(Diary, &'static str);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.note(format!("{} gone", self.1));
    }
}

/// A task that panics once it has had its time.
async fn panics(after: Duration, words: &'static str) {
    tokio::time::sleep(after).await;
    panic!("{words}");
}

/// Runs a shutdown from a whole millisecond on, with time paused: for tests that run many.
fn paused(shutdown: impl Future<Output = ShutdownReport>) -> ShutdownReport {
    let mut runtime = Builder::new_current_thread();
    runtime
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(shutdown)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn how(report: &ShutdownReport) -> Vec<PhaseEnd> {
    report.phases.iter().map(|phase| phase.how).collect()
}
