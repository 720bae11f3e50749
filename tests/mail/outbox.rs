//! The outbox: what is in the folder, under which name, and what is left of deliveries that did not end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use legwork::mail::{DeliveryError, Message, OpenGate, OutboxTransport, Phase, Transport};

use super::{CountingGate, mail, message};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const NAME: &str = "20260131T083000.123456Z-job_1@legwork.test.eml";

#[tokio::test]
async fn a_mail_becomes_a_file_for_the_owner_alone_named_by_date_and_id() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data").join("outbox");
    let outbox = OutboxTransport::new(&dir).unwrap();
    let gate = CountingGate::open();
    let receipt = outbox.deliver(&mail("job_1"), &gate).await.unwrap();
    assert_eq!(receipt.words, NAME);
    assert_eq!(gate.asked(), 1);
    assert_eq!(names(&dir), [NAME]);
    assert_eq!(fs::read(dir.join(NAME)).unwrap(), mail("job_1").bytes);
    assert_eq!(mode(&dir.join(NAME)), 0o600);
    assert_eq!(mode(&dir), 0o700);
}

#[tokio::test]
async fn the_same_message_again_replaces_its_file_and_another_gets_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = OutboxTransport::new(dir.path()).unwrap();
    outbox.deliver(&mail("job_1"), &OpenGate).await.unwrap();
    let again = Message {
        text: "again".to_owned(),
        ..message("job_1")
    }
    .render()
    .unwrap();
    outbox.deliver(&again, &OpenGate).await.unwrap();
    assert_eq!(names(dir.path()), [NAME]);
    assert_eq!(fs::read(dir.path().join(NAME)).unwrap(), again.bytes);
    outbox.deliver(&mail("job_2"), &OpenGate).await.unwrap();
    assert_eq!(names(dir.path()).len(), 2);
}

#[tokio::test]
async fn behind_a_closed_gate_nothing_is_left_in_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = OutboxTransport::new(dir.path()).unwrap();
    assert_eq!(
        outbox.deliver(&mail("job_1"), &CountingGate::shut()).await,
        Err(DeliveryError::GateClosed)
    );
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_crash_has_left_is_removed_at_the_start_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        ".20260131T083000.123456Z-job_1@legwork.test.eml.0.tmp",
        NAME,
        "notes.tmp",
        ".hidden",
    ] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    let outbox = OutboxTransport::new(dir.path()).unwrap();
    assert_eq!(names(dir.path()), [".hidden", NAME, "notes.tmp"]);
    outbox.deliver(&mail("job_1"), &OpenGate).await.unwrap();
    assert_eq!(names(dir.path()), [".hidden", NAME, "notes.tmp"]);
}

#[tokio::test]
async fn a_delivery_dropped_at_the_gate_leaves_no_temporary_file() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = OutboxTransport::new(dir.path()).unwrap();
    let rendered = mail("job_1");
    let gate = StuckGate::default();
    {
        let delivery = outbox.deliver(&rendered, &gate);
        tokio::pin!(delivery);
        tokio::select! {
            _ = &mut delivery => panic!("the gate has not opened"),
            () = gate.asked.notified() => {}
        }
        assert_eq!(names(dir.path()).len(), 1, "the file is there under its temporary name");
    }
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_transient_and_a_strange_id_permanent() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("outbox");
    let outbox = OutboxTransport::new(&dir).unwrap();
    fs::remove_dir(&dir).unwrap();
    let error = outbox.deliver(&mail("job_1"), &OpenGate).await.unwrap_err();
    assert!(
        matches!(error, DeliveryError::Transient { phase: Phase::Data, .. }),
        "{error:?}"
    );
    let mut strange = mail("job_1");
    strange.message_id = "../job_1@legwork.test".to_owned();
    let error = outbox.deliver(&strange, &OpenGate).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Permanent { .. }), "{error:?}");
}

#[tokio::test]
async fn the_outbox_names_its_folder_and_a_file_in_its_place_is_an_error() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("outbox");
    let outbox = OutboxTransport::new(&dir).unwrap();
    assert_eq!(outbox.describe(), format!("file:{}", dir.display()));
    outbox.deliver(&mail("job_1"), &OpenGate).await.unwrap();
    assert_eq!(names(&dir), [NAME]);
    assert!(OutboxTransport::new(dir.join(NAME)).is_err());
}

/// Says when it is asked, and never answers.
#[derive(Default)]
struct StuckGate {
    asked: tokio::sync::Notify,
}

impl legwork::mail::Gate for StuckGate {
    fn open<'a>(&'a self) -> futures_util::future::BoxFuture<'a, Result<(), legwork::mail::GateClosed>> {
        Box::pin(async {
            self.asked.notify_one();
            std::future::pending().await
        })
    }
}
