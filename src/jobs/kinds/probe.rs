//! `probe.run`: work made to be watched. Operators smoke-test with it, and tests and benches are built on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::jobs::{JobContext, Kind, Outcome};

/// Walks its steps, reports each, and ends as it was told to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Probe;

/// How to walk and how to end.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProbeArgs {
    /// Steps to take.
    pub steps: u64,
    /// How long one step takes, in milliseconds.
    pub step_ms: u64,
    /// How to fail after the steps, if at all.
    pub fail: Option<ProbeFailure>,
    /// Where to panic, if at all.
    pub panic: Option<ProbePanic>,
}

/// How a probe fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeFailure {
    /// Every attempt fails and may be tried again.
    Always,
    /// The first attempt fails, later ones do not.
    Once,
    /// The attempt fails for good.
    Permanent,
}

/// Where a probe panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbePanic {
    /// In the attempt, after the steps: supervision does not notice.
    Attempt,
    /// In the worker's own handler, before the attempt: the worker is restarted.
    Actor,
}

impl Kind for Probe {
    type Args = ProbeArgs;

    const NAME: &'static str = "probe.run";
    const QUEUE: Queue = Queue::Probes;
    const MAX_ATTEMPTS: u32 = 3;
    /// A probe without steps that lasts longer than an hour was left behind by mistake.
    const TIMEOUT: Duration = Duration::from_secs(3600);
    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(1),
        cap: Duration::from_secs(60),
    };

    fn when_uncertain(&self, _args: &ProbeArgs) -> WhenUncertain {
        // A probe has no effect that could happen twice.
        WhenUncertain::Repeat
    }

    #[expect(clippy::panic, reason = "panicking on request is what this probe is for")]
    fn received(&self, args: &ProbeArgs) {
        if args.panic == Some(ProbePanic::Actor) {
            panic!("a probe asked the worker to panic");
        }
    }

    #[expect(clippy::panic, reason = "panicking on request is what this probe is for")]
    async fn perform(&self, args: ProbeArgs, ctx: JobContext) -> Outcome {
        for step in 1..=args.steps {
            if args.step_ms > 0 {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(args.step_ms)) => {}
                    () = ctx.stopped() => return Outcome::Cancelled,
                }
            } else {
                // Steps without a pause must not hold up the worker's thread, its timers and its other probes.
                tokio::task::yield_now().await;
                if ctx.stop_cause().is_some() {
                    return Outcome::Cancelled;
                }
            }
            ctx.progress(step, Some(args.steps), Some(&format!("step {step} of {}", args.steps)));
        }
        if args.panic == Some(ProbePanic::Attempt) {
            panic!("a probe asked its attempt to panic");
        }
        match args.fail {
            Some(ProbeFailure::Always) => Outcome::retry("the probe was told to fail"),
            Some(ProbeFailure::Once) if ctx.attempt() == 1 => Outcome::retry("the probe was told to fail once"),
            Some(ProbeFailure::Permanent) => Outcome::permanent("the probe was told to fail for good"),
            Some(ProbeFailure::Once) | None => Outcome::Completed(Some(json!({ "steps": args.steps }))),
        }
    }
}
