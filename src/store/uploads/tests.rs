//! Files of mails, on each database.

use super::*;
use crate::domain::job::{AttemptEnd, Resolution, Retry, WhenUncertain};
use crate::store::jobs::{self, JobScope};
use crate::store::testing::{NOW, TestStore, end, job, on_each_database, request};
use crate::store::{NewJob, Store};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn new(workspace: WorkspaceId) -> NewUpload {
    NewUpload {
        id: UploadId::generate(),
        workspace,
        name: "größe.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        created_at: NOW,
        expires_at: NOW.plus(HOUR),
    }
}

/// A whole file of these bytes, in pieces of at most [`CHUNK_BYTES_MAX`].
async fn stored(store: &Store, workspace: WorkspaceId, bytes: Vec<u8>) -> UploadId {
    let new = new(workspace);
    let id = new.id;
    let write = store.write(move |tx| {
        let connection = tx.connection();
        begin(connection, &new, 0)?;
        for (piece, data) in bytes.chunks(CHUNK_BYTES_MAX).enumerate() {
            add(connection, (new.id, workspace), piece, data, 0)?;
        }
        finish(connection, new.id, "abc", NOW.plus(HOUR))
    });
    write.await.unwrap();
    id
}

async fn content_of(store: &Store, id: UploadId, workspace: WorkspaceId) -> Option<Vec<u8>> {
    store
        .read(move |connection| content(connection, id, workspace))
        .await
        .unwrap()
}

async fn needed(store: &Store, new: NewJob, id: UploadId, until: Timestamp) -> Result<(), Abort<UploadRefused>> {
    let write = store.write(move |tx| {
        tx.enqueue(&new)?;
        need(tx.connection(), new.workspace, &[(id, new.id)], until)
    });
    write.await
}

async fn cleared(store: &Store, now: Timestamp) -> usize {
    let write = store.write(move |tx| Ok::<_, Abort<()>>(forget_expired(tx.connection(), now, 100)?));
    write.await.unwrap()
}

async fn a_file_comes_back_byte_for_byte_and_only_to_its_workspace(store: TestStore) {
    let (workspace, other) = (store.workspace().await, store.workspace().await);
    let large: Vec<u8> = (0..2 * CHUNK_BYTES_MAX + 17)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    for bytes in [large, (0..=255).collect(), vec![0; CHUNK_BYTES_MAX], Vec::new()] {
        let id = stored(&store, workspace, bytes.clone()).await;
        assert_eq!(content_of(&store, id, workspace).await, Some(bytes.clone()));
        assert_eq!(content_of(&store, id, other).await, None);
        let read = store.read(move |connection| {
            let own = one(connection, id, JobScope::Workspace(workspace))?;
            Ok((
                own,
                one(connection, id, JobScope::Workspace(other))?,
                list(connection, other, None, 10)?,
            ))
        });
        let (own, foreign, of_other) = read.await.unwrap();
        assert_eq!(own.unwrap().bytes, u64::try_from(bytes.len()).unwrap());
        assert_eq!((foreign, of_other), (None, Vec::new()));
    }
    let listed = store
        .read(move |connection| list(connection, workspace, None, 3))
        .await
        .unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.is_sorted_by(|a, b| a.id > b.id));
}

async fn what_is_not_whole_is_there_for_nobody_and_goes(store: TestStore) {
    let workspace = store.workspace().await;
    let new = new(workspace);
    let id = new.id;
    let write = store.write(move |tx| {
        begin(tx.connection(), &new, 0)?;
        add(tx.connection(), (id, workspace), 0, b"abc", 0)
    });
    write.await.unwrap();
    assert_eq!(content_of(&store, id, workspace).await, None);
    let refused = needed(&store, NewJob { workspace, ..job() }, id, NOW)
        .await
        .unwrap_err();
    assert!(matches!(refused, Abort::Refused(UploadRefused::Gone(gone)) if gone == id));
    assert_eq!(cleared(&store, NOW).await, 0);
    assert_eq!(cleared(&store, NOW.plus(HOUR)).await, 1);
    let late = store.write(move |tx| add(tx.connection(), (id, workspace), 1, b"d", 0));
    assert!(matches!(
        late.await.unwrap_err(),
        Abort::Refused(UploadRefused::Gone(_))
    ));
}

async fn a_file_is_kept_for_whoever_waits_for_it_and_goes_after_it(store: TestStore) {
    let workspace = store.workspace().await;
    let id = stored(&store, workspace, b"abc".to_vec()).await;
    let waiting = NewJob { workspace, ..job() };
    needed(&store, waiting.clone(), id, NOW.plus(2 * HOUR)).await.unwrap();
    let delete_it = || store.write(move |tx| delete(tx.connection(), id, workspace));
    assert!(matches!(
        delete_it().await.unwrap_err(),
        Abort::Refused(UploadRefused::InUse)
    ));
    assert_eq!(cleared(&store, NOW.plus(HOUR)).await, 0, "its use prolonged it");
    assert_eq!(cleared(&store, NOW.plus(20 * HOUR)).await, 0, "a job waits for it");
    let claimed = store.claim(request(1, NOW)).await.unwrap().jobs.remove(0);
    let finish = end(claimed.id, claimed.fence, AttemptEnd::Completed, NOW);
    store.finish(finish).await.unwrap();
    assert_eq!(cleared(&store, NOW.plus(HOUR)).await, 0);
    assert_eq!(content_of(&store, id, workspace).await, Some(b"abc".to_vec()));
    assert_eq!(cleared(&store, NOW.plus(2 * HOUR)).await, 1);
    assert_eq!(content_of(&store, id, workspace).await, None);
    assert!(matches!(
        delete_it().await.unwrap_err(),
        Abort::Refused(UploadRefused::Gone(_))
    ));
}

async fn a_file_is_kept_as_long_as_a_person_may_decide_about_its_mail(store: TestStore) {
    let workspace = store.workspace().await;
    let id = stored(&store, workspace, b"abc".to_vec()).await;
    let held = NewJob { workspace, ..job() };
    needed(&store, held.clone(), id, NOW.plus(2 * HOUR)).await.unwrap();
    let claimed = store.claim(request(1, NOW)).await.unwrap().jobs.remove(0);
    let uncertain = AttemptEnd::Uncertain(WhenUncertain::Hold, Retry::Never);
    store
        .finish(end(claimed.id, claimed.fence, uncertain, NOW))
        .await
        .unwrap();
    assert_eq!(cleared(&store, NOW.plus(20 * HOUR)).await, 0);
    let deleted = store.write(move |tx| delete(tx.connection(), id, workspace)).await;
    assert!(matches!(deleted.unwrap_err(), Abort::Refused(UploadRefused::InUse)));
    let decided = store.write(move |tx| {
        let scope = JobScope::Workspace(workspace);
        jobs::resolve(tx, held.id, scope, Resolution::Completed, NOW).map(drop)
    });
    decided.await.unwrap();
    assert_eq!(cleared(&store, NOW.plus(20 * HOUR)).await, 1);
}

async fn a_file_is_deleted_where_nobody_waits_for_it(store: TestStore) {
    let (workspace, other) = (store.workspace().await, store.workspace().await);
    let id = stored(&store, workspace, b"abc".to_vec()).await;
    let by = |workspace| store.write(move |tx| delete(tx.connection(), id, workspace));
    assert!(matches!(
        by(other).await.unwrap_err(),
        Abort::Refused(UploadRefused::Gone(_))
    ));
    let refused = needed(
        &store,
        NewJob {
            workspace: other,
            ..job()
        },
        id,
        NOW,
    )
    .await
    .unwrap_err();
    assert!(
        matches!(refused, Abort::Refused(UploadRefused::Gone(_))),
        "another workspace's"
    );
    by(workspace).await.unwrap();
    assert_eq!(content_of(&store, id, workspace).await, None);
}

async fn pieces_count_into_the_quota_as_they_come(store: TestStore) {
    let workspace = store.workspace().await;
    let first = new(workspace);
    let id = first.id;
    let write = store.write(move |tx| {
        begin(tx.connection(), &first, 100)?;
        add(tx.connection(), (id, workspace), 0, &[7; 60], 100)
    });
    write.await.unwrap();
    let more =
        |bytes: usize, piece| store.write(move |tx| add(tx.connection(), (id, workspace), piece, &vec![7; bytes], 100));
    match more(41, 1).await.unwrap_err() {
        Abort::Refused(UploadRefused::NoRoom(kept)) => assert_eq!((kept.used, kept.max), (60, 100)),
        other => panic!("{other:?}"),
    }
    more(40, 1).await.unwrap();
    let stored = store.read(move |connection| crate::store::reports::stored(connection, workspace));
    assert_eq!(stored.await.unwrap().bytes, 100);
}

async fn files_that_come_whole_are_asked_room_for_together(store: TestStore) {
    let workspace = store.workspace().await;
    let both = [new(workspace), new(workspace)];
    let ids: Vec<UploadId> = both.iter().map(|new| new.id).collect();
    let enter = |max: u64| {
        let both = both.clone();
        store.write(move |tx| {
            let data = [7; 50];
            let files = both.iter().map(|new| WholeUpload {
                new,
                data: &data,
                sha256: "abc",
            });
            add_whole(tx.connection(), workspace, &Vec::from_iter(files), max)
        })
    };
    match enter(99).await.unwrap_err() {
        Abort::Refused(UploadRefused::NoRoom(kept)) => assert_eq!((kept.used, kept.max), (0, 99)),
        other => panic!("{other:?}"),
    }
    enter(100).await.unwrap();
    for id in &ids {
        assert_eq!(content_of(&store, *id, workspace).await, Some(vec![7; 50]));
    }
    // More than a statement may have values.
    let mut many: Vec<UploadId> = (0..33_000).map(|_| UploadId::generate()).collect();
    many.extend(&ids);
    let found = store.read(move |connection| several(connection, workspace, &many));
    assert_eq!(found.await.unwrap().len(), 2);
}

async fn a_workspace_has_only_so_many_files(store: TestStore) {
    let workspace = store.workspace().await;
    let fill = store.write(move |tx| {
        let text = |text: &str| Value::Text(Some(text.to_owned()));
        let row = || {
            let (id, workspace) = (UploadId::generate().to_string(), workspace.to_string());
            let mut row = vec![text(&id), text(&workspace), text("a"), text("b"), text("c")];
            row.extend([0, 0, 0].map(|number| Value::Number(Some(number))));
            row
        };
        let many = InsertMany {
            table: "uploads",
            columns: &[
                "id",
                "workspace_id",
                "name",
                "content_type",
                "sha256",
                "byte_count",
                "created_at",
                "expires_at",
            ],
            rows: (1..UPLOADS_MAX).map(|_| row()).collect(),
            on_conflict: "",
        };
        Ok::<_, Abort<()>>(many.execute(tx.connection())?)
    });
    fill.await.unwrap();
    let one_more = || {
        let new = new(workspace);
        store.write(move |tx| begin(tx.connection(), &new, 0))
    };
    one_more().await.unwrap();
    let refused = one_more().await.unwrap_err();
    assert!(matches!(refused, Abort::Refused(UploadRefused::TooMany)), "{refused:?}");
}

on_each_database!(
    files_that_come_whole_are_asked_room_for_together,
    a_workspace_has_only_so_many_files,
    a_file_comes_back_byte_for_byte_and_only_to_its_workspace,
    what_is_not_whole_is_there_for_nobody_and_goes,
    a_file_is_kept_for_whoever_waits_for_it_and_goes_after_it,
    a_file_is_kept_as_long_as_a_person_may_decide_about_its_mail,
    a_file_is_deleted_where_nobody_waits_for_it,
    pieces_count_into_the_quota_as_they_come,
);
