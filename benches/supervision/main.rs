//! What supervision costs: messages, restarts, memory and idle children, each against the same without supervision, in the
//! same run.
//!
//! `cargo bench --bench supervision` measures all; `cargo bench --bench supervision -- send restarts` those named.
//!
//! Guarantees: both sides do the same work, in turns, and a message counts when it was handled; memory is measured in a
//! process of its own for each side, so that none reuses what another left.
//!
//! Left out: a verdict. Figures differ between machines and runs; what holds is the ratio.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "a load program: whatever goes wrong ends it, and its output is its purpose"
)]

mod children;
mod idle;
mod process;
mod restarts;
mod send;
mod turns;

/// A measurement by its name on the command line.
type Figure = (&'static str, fn());

const FIGURES: &[Figure] = &[
    ("send", send::measure),
    ("restarts", restarts::measure),
    ("children", children::measure),
    ("liveness", idle::measure),
];

/// What a process of its own measures and prints, by the first word of its command line.
const PARTS: &[Figure] = &[
    ("children-supervised", children::supervised),
    ("children-bare", children::bare),
    ("idle-watched", idle::watched),
    ("idle-unwatched", idle::unwatched),
];

fn main() {
    // cargo adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [only] = &asked[..]
        && let Some((_, part)) = PARTS.iter().find(|(name, _)| name == only)
    {
        part();
        return;
    }
    if let Some(name) = asked.iter().find(|asked| FIGURES.iter().all(|(name, _)| name != asked)) {
        let known: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
        panic!("there is no figure {name}; there are {}", known.join(", "));
    }
    println!("{} cores", std::thread::available_parallelism().map_or(0, usize::from));
    for (name, measure) in FIGURES {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            println!("\n== {name}");
            measure();
        }
    }
}
