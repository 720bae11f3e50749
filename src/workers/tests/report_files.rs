//! Which files of reports are cleared away: those that nobody names, and never one that is named or being written.

use std::io::Write;

use super::super::report_files::{expire, sweep};
use crate::clock::Timestamp;
use crate::domain::id::{JobId, ReportId};
use crate::domain::job::AttemptEnd;
use crate::domain::report::{ReportFormat, ReportTable};
use crate::reports::{FileName, ReportFolder};
use crate::store::reports::{NewFile, NewReport, enter_file, insert, one};
use crate::store::testing::{NOW, TestStore, end, job, request};
use crate::store::{Abort, JobScope};

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

struct Kept {
    store: TestStore,
    folder: ReportFolder,
    report: ReportId,
    job: JobId,
    fence: i64,
}

impl Kept {
    /// A report whose attempt is running.
    async fn new() -> Self {
        let store = TestStore::new();
        let folder = ReportFolder::open(store.beside("reports")).unwrap();
        let (job, report) = (job(), ReportId::generate());
        let (id, new) = (
            job.id,
            NewReport {
                id: report,
                workspace: job.workspace,
                job: job.id,
                table: ReportTable::Jobs,
                format: ReportFormat::Csv,
                from: None,
                to: NOW,
                created_at: NOW,
            },
        );
        let write = store.write(move |tx| {
            insert(tx.connection(), &new)?;
            Ok::<_, Abort<()>>(tx.enqueue(&job)?)
        });
        write.await.unwrap();
        let fence = store.claim(request(1, NOW)).await.unwrap().jobs[0].fence;
        Self {
            store,
            folder,
            report,
            job: id,
            fence,
        }
    }

    fn name(&self, fence: i64) -> FileName {
        FileName {
            report: self.report,
            fence,
            format: ReportFormat::Csv,
        }
    }

    fn write(&self, name: FileName) {
        self.folder.begin(name).unwrap().publish().unwrap();
    }

    async fn enter(&self) {
        let new = NewFile {
            report: self.report,
            job: self.job,
            fence: self.fence,
            rows: 0,
            bytes: 0,
            sha256: String::new(),
            built_at: NOW,
            expires_at: NOW.plus(HOUR),
            stored_max: 0,
        };
        let write = self
            .store
            .write(move |tx| Ok::<_, Abort<()>>(enter_file(tx.connection(), &new)?));
        write.await.unwrap();
    }

    async fn swept(&self) -> Vec<i64> {
        sweep(&self.store, &self.folder).await;
        self.fences()
    }

    fn fences(&self) -> Vec<i64> {
        let found = self.folder.list().unwrap();
        found.iter().map(|file| file.fence).collect()
    }

    async fn expired(&self, now: Timestamp) -> Vec<i64> {
        expire(&self.store, &self.folder, now).await;
        self.fences()
    }
}

#[tokio::test]
async fn a_file_that_is_being_written_stays_before_and_after_it_has_its_name() {
    let kept = Kept::new().await;
    let mut draft = kept.folder.begin(kept.name(kept.fence)).unwrap();
    draft.write_all(b"half").unwrap();
    assert_eq!(kept.swept().await, [kept.fence]);
    draft.publish().unwrap();
    assert_eq!(kept.swept().await, [kept.fence], "its row does not name it yet");
    kept.enter().await;
    kept.store
        .finish(end(kept.job, kept.fence, AttemptEnd::Completed, NOW))
        .await
        .unwrap();
    assert_eq!(kept.swept().await, [kept.fence], "its row names it");
}

#[tokio::test]
async fn files_of_attempts_that_are_no_more_and_of_reports_that_are_not_known_are_swept() {
    let kept = Kept::new().await;
    kept.write(kept.name(kept.fence + 7));
    kept.write(FileName {
        report: ReportId::generate(),
        ..kept.name(1)
    });
    std::mem::forget(kept.folder.begin(kept.name(kept.fence + 8)).unwrap());
    assert_eq!(kept.fences().len(), 3);
    assert_eq!(kept.swept().await, Vec::<i64>::new());

    // A file whose attempt died between the file and the row.
    kept.write(kept.name(kept.fence));
    assert_eq!(kept.swept().await, [kept.fence]);
    kept.store
        .finish(end(kept.job, kept.fence, AttemptEnd::Lost, NOW))
        .await
        .unwrap();
    assert_eq!(kept.swept().await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_file_goes_when_its_time_has_come_and_its_row_long_after() {
    let kept = Kept::new().await;
    kept.write(kept.name(kept.fence));
    kept.enter().await;
    assert_eq!(kept.expired(NOW).await, [kept.fence]);
    assert_eq!(kept.expired(NOW.plus(HOUR)).await, Vec::<i64>::new());
    let id = kept.report;
    let row = || async {
        let read = kept.store.read(move |connection| one(connection, id, JobScope::All));
        read.await.unwrap()
    };
    assert!(row().await.unwrap().file.unwrap().fence.is_none());
    assert!(kept.expired(NOW.plus(HOUR * 24 * 32)).await.is_empty());
    assert!(row().await.is_none());
}
