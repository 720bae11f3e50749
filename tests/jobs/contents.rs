//! Mails with files and from other senders, performed over a relay, with a database behind them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use legwork::domain::email::{AttachmentName, EmailAddress, Mailbox, MediaType};
use legwork::domain::id::{UploadId, WorkspaceId};
use legwork::domain::job::{JobState, WhenUncertain};
use legwork::domain::stream::Stream;
use legwork::jobs::kinds::{Attached, EmailBody, EmailSendArgs};
use legwork::store::uploads::{self, NewUpload};
use legwork::store::workspaces::{self, WorkspaceChange};

use super::simulation::{Simulation, after};

const MINUTE: Duration = Duration::from_secs(60);

fn mail() -> EmailSendArgs {
    let body = EmailBody::Written {
        subject: "Hello".to_owned(),
        text: "Hello\n".to_owned(),
        html: None,
    };
    let to = vec![Mailbox::parse("Ada <ada@example.org>").unwrap()];
    EmailSendArgs::plain(to, body, Stream::default(), WhenUncertain::Repeat)
}

/// A whole upload of these bytes.
async fn upload(simulation: &Simulation, bytes: &[u8]) -> UploadId {
    let (id, bytes) = (UploadId::generate(), bytes.to_vec());
    let write = simulation.store.write(move |tx| {
        let new = NewUpload {
            id,
            workspace: WorkspaceId::SERVICE,
            name: "x".to_owned(),
            content_type: "text/plain".to_owned(),
            created_at: after(Duration::ZERO),
            expires_at: after(MINUTE),
        };
        uploads::begin(tx.connection(), &new, u64::MAX)?;
        uploads::add(tx.connection(), (id, WorkspaceId::SERVICE), 0, &bytes, 0)?;
        uploads::finish(tx.connection(), id, "abc", after(MINUTE))
    });
    write.await.unwrap();
    id
}

fn with_file(upload: UploadId) -> EmailSendArgs {
    EmailSendArgs {
        attachments: vec![Attached {
            upload,
            name: AttachmentName::parse("invoice.pdf").unwrap(),
            media_type: MediaType::parse("application/pdf").unwrap(),
            bytes: 4,
            content_id: None,
        }],
        cc: vec![Mailbox::parse("bob@example.org").unwrap()],
        bcc: vec![EmailAddress::parse("eve@example.org").unwrap()],
        ..mail()
    }
}

/// Lets an operator grant these domains.
async fn grant(simulation: &Simulation, domains: &[&str]) {
    let change = WorkspaceChange {
        sender_domains: Some(domains.iter().map(ToString::to_string).collect()),
        ..WorkspaceChange::default()
    };
    let write = simulation.store.write(move |tx| {
        workspaces::change(tx.connection(), WorkspaceId::SERVICE, &change)?;
        Ok::<_, legwork::store::Abort<()>>(())
    });
    write.await.unwrap();
}

#[actix::test]
async fn a_file_goes_out_with_its_mail_to_all_that_are_named() {
    let simulation = Simulation::new();
    let file = upload(&simulation, b"\0\r\n\xff").await;
    let id = simulation.accept_mail(&with_file(file)).await;
    simulation.run_until(after(MINUTE)).await;
    assert_eq!(simulation.job(id).await.0.state, JobState::Completed);
    let taken = simulation.relay.taken();
    assert_eq!(taken[0].to, ["ada@example.org", "bob@example.org", "eve@example.org"]);
    let text = String::from_utf8_lossy(&taken[0].data).into_owned();
    assert!(text.contains(&STANDARD.encode(b"\0\r\n\xff")), "{text}");
    assert!(
        text.contains("filename=\"invoice.pdf\"") && !text.contains("eve@"),
        "{text}"
    );
}

#[actix::test]
async fn a_mail_whose_file_is_gone_is_given_up_and_says_so() {
    let simulation = Simulation::new();
    let id = simulation.accept_mail(&with_file(UploadId::generate())).await;
    simulation.run_until(after(MINUTE)).await;
    let (job, attempts) = simulation.job(id).await;
    assert_eq!(job.state, JobState::Discarded);
    assert!(
        attempts[0].error.as_deref().unwrap().ends_with("is gone"),
        "{attempts:?}"
    );
    assert!(simulation.relay.taken().is_empty());
}

#[actix::test]
async fn another_sender_is_named_only_while_its_domain_is_granted() {
    let simulation = Simulation::new();
    let from = EmailSendArgs {
        from: Some(Mailbox::parse("Sales <sales@Example.NET>").unwrap()),
        ..mail()
    };
    let refused = simulation.accept_mail(&from).await;
    simulation.run_until(after(MINUTE)).await;
    let (job, attempts) = simulation.job(refused).await;
    assert_eq!(job.state, JobState::Discarded);
    assert!(
        attempts[0].error.as_deref().unwrap().contains("example.net"),
        "{attempts:?}"
    );
    grant(&simulation, &["example.net"]).await;
    let sent = simulation.accept_mail(&from).await;
    simulation.run_until(after(2 * MINUTE)).await;
    assert_eq!(simulation.job(sent).await.0.state, JobState::Completed);
    let taken = simulation.relay.taken();
    assert_eq!(
        taken[0].from, "legwork@example.com",
        "the envelope's sender stays the service's own"
    );
    let text = String::from_utf8_lossy(&taken[0].data).into_owned();
    assert!(text.contains("From: Sales <sales@Example.NET>"), "{text}");
}
