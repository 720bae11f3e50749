//! Building a file from pages of rows that come one after the other.
//!
//! Guarantees: all file work is done on a blocking thread, which takes pages from a channel that holds one; a build that is
//! given up, or dropped, leaves no file; one that exceeds its bounds ends with an error that says which.
//!
//! The thread is one of tokio's, and no child of the supervision tree: it lives as long as one build, and a panic in it is an
//! error of that build, after which a supervisor would have nothing to start anew.

use std::io::{self, Write};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Draft, FileName, Renderer, ReportFolder};
use crate::telemetry::names::event;

/// Pages that may wait for the file: while one is written the next is read, and reading further ahead only takes memory.
const WAITING_PAGES: usize = 1;

/// Some rows of one table.
pub trait Page: Send + 'static {
    /// The names of the columns, in their order.
    const COLUMNS: &'static [&'static str];

    /// Writes the rows.
    ///
    /// # Errors
    /// What the renderer answers.
    fn write_to<W: Write>(&self, out: &mut Renderer<W>) -> io::Result<()>;
}

/// What to build, and how much of it at most.
#[derive(Clone, Debug)]
pub struct BuildPlan {
    /// Where.
    pub folder: ReportFolder,
    /// Under which name.
    pub name: FileName,
    /// Whether texts that a spreadsheet would take for a formula are guarded.
    pub is_guarded: bool,
    /// The most rows.
    pub max_rows: u64,
    /// The most bytes.
    pub max_bytes: u64,
}

/// A file that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its rows.
    pub rows: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// Why a file was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There are more rows than it may have.
    #[error("the report has more than {max} rows; order one over a shorter time")]
    TooManyRows {
        /// The most rows.
        max: u64,
    },
    /// It grew larger than it may be.
    #[error("the report has more than {max} bytes; order one over a shorter time")]
    TooManyBytes {
        /// The most bytes.
        max: u64,
    },
    /// The file could not be written.
    #[error("the report's file could not be written")]
    Io(#[from] io::Error),
    /// The thread that writes it ended without a word.
    #[error("the report's file was given up")]
    GivenUp,
}

/// The build ended before its last page; [`Build::finish`] says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

enum Order<P> {
    Page(P),
    End,
}

/// A build under way.
#[derive(Debug)]
pub struct Build<P> {
    orders: mpsc::Sender<Order<P>>,
    result: oneshot::Receiver<Result<Built, BuildError>>,
    thread: JoinHandle<()>,
}

impl<P: Page> Build<P> {
    /// Begins. Needs a tokio runtime.
    #[must_use]
    pub fn begin(plan: BuildPlan) -> Self {
        let (orders, receiver) = mpsc::channel(WAITING_PAGES);
        let (reply, result) = oneshot::channel();
        let thread = tokio::task::spawn_blocking(move || {
            let built = write::<P>(&plan, receiver);
            let Err(unheard) = reply.send(built) else { return };
            // Nobody will ever name this file.
            if unheard.is_ok()
                && let Err(error) = plan.folder.remove(&plan.name.into())
            {
                tracing::warn!(
                    event = event::REPORTS_UNCLEAN,
                    %error,
                    "a report's file that was given up could not be removed; the keeper will try again"
                );
            }
        });
        Self { orders, result, thread }
    }

    /// Hands a page over, once there is room for it.
    ///
    /// # Errors
    /// [`Stopped`] when the build has failed.
    pub async fn page(&self, page: P) -> Result<(), Stopped> {
        self.orders.send(Order::Page(page)).await.or(Err(Stopped))
    }

    /// Ends the build after its last page, or after [`Stopped`]. The file is on disk under its final name when this answers.
    ///
    /// # Errors
    /// [`BuildError`] when there is no such file.
    pub async fn finish(&mut self) -> Result<Built, BuildError> {
        // A thread that has failed takes no orders, and has said why.
        if self.orders.send(Order::End).await.is_err() {
            tracing::debug!("a report's build had ended before its last page");
        }
        (&mut self.result).await.unwrap_or(Err(BuildError::GivenUp))
    }

    /// Gives the build up, and waits until nothing is left of it.
    pub async fn give_up(self) {
        let Self { orders, result, thread } = self;
        drop((orders, result));
        if let Err(error) = thread.await {
            tracing::warn!(event = event::REPORTS_UNCLEAN, %error, "the thread of a report that was given up panicked");
        }
    }
}

fn write<P: Page>(plan: &BuildPlan, mut orders: mpsc::Receiver<Order<P>>) -> Result<Built, BuildError> {
    let draft = plan.folder.begin(plan.name)?;
    let mut out = Renderer::new(draft, plan.name.format, plan.is_guarded, P::COLUMNS)?;
    loop {
        match orders.blocking_recv() {
            Some(Order::Page(page)) => page.write_to(&mut out)?,
            Some(Order::End) => break,
            None => return Err(BuildError::GivenUp),
        }
        within(plan, out.rows(), out.get_ref())?;
    }
    let rows = out.rows();
    let draft = out.finish()?;
    within(plan, rows, &draft)?;
    let (bytes, sha256) = draft.publish()?;
    Ok(Built { rows, bytes, sha256 })
}

fn within(plan: &BuildPlan, rows: u64, draft: &Draft) -> Result<(), BuildError> {
    if rows > plan.max_rows {
        return Err(BuildError::TooManyRows { max: plan.max_rows });
    }
    if draft.bytes() > plan.max_bytes {
        return Err(BuildError::TooManyBytes { max: plan.max_bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ReportId;
    use crate::domain::report::ReportFormat;

    struct Nothing;

    impl Page for Nothing {
        const COLUMNS: &'static [&'static str] = &["nothing"];

        fn write_to<W: Write>(&self, _out: &mut Renderer<W>) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_file_that_is_finished_when_nobody_waits_for_it_any_more_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let plan = BuildPlan {
            folder: ReportFolder::open(home.path().join("reports")).unwrap(),
            name: FileName {
                report: ReportId::from_bits(7),
                fence: 1,
                format: ReportFormat::Csv,
            },
            is_guarded: true,
            max_rows: 1,
            max_bytes: 1_000,
        };
        for is_heard in [false, true] {
            let Build { orders, result, thread } = Build::<Nothing>::begin(plan.clone());
            let listener = is_heard.then_some(result);
            assert!(orders.send(Order::End).await.is_ok());
            thread.await.unwrap();
            assert_eq!(plan.folder.list().unwrap().len(), usize::from(is_heard));
            drop(listener);
        }
    }
}
