//! A bounce: the delivery status notification (RFC 3464) that a server sends when it took a mail and cannot deliver it.

use super::capture::Taken;
use super::transcript::Transcript;
use crate::clock::Timestamp;

/// What a bounce says that it is.
const SUBJECT: &str = "Undelivered mail returned to sender";

/// The notification of `mail`, for its sender; none where that is nobody, since bounces are not bounced.
pub(super) fn of(mail: &Taken, at: Timestamp) -> Option<Taken> {
    if mail.from.is_empty() {
        return None;
    }
    let message_id = format!(
        "bounce.{}@sandbox.invalid",
        mail.message_id.replace(['<', '>', '@'], ".")
    );
    let date = rfc5322(at);
    let boundary = "=_sandbox_bounce";
    let header = headers(&mail.data);
    let reports: String = mail.to.iter().map(|to| report(to)).collect();
    let told: String = mail
        .to
        .iter()
        .map(|to| format!("<{to}>: 550 5.1.1 No such mailbox\r\n"))
        .collect();
    let text = format!(
        "From: Mail Delivery System <mailer-daemon@sandbox.invalid>\r\n\
         To: <{to}>\r\n\
         Subject: {SUBJECT}\r\n\
         Date: {date}\r\n\
         Message-ID: <{message_id}>\r\n\
         Auto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"{boundary}\"\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         \r\n\
         Your mail could not be delivered.\r\n\
         \r\n\
         {told}\r\n\
         --{boundary}\r\n\
         Content-Type: message/delivery-status\r\n\
         \r\n\
         Reporting-MTA: dns; sandbox.invalid\r\n\
         Arrival-Date: {date}\r\n\
         {reports}\r\n\
         --{boundary}\r\n\
         Content-Type: text/rfc822-headers\r\n\
         \r\n\
         {header}\r\n\
         --{boundary}--\r\n",
        to = mail.from,
    );
    Some(Taken {
        id: 0,
        at,
        from: String::new(),
        to: vec![mail.from.clone()],
        data: text.into_bytes(),
        message_id,
        subject: SUBJECT.to_owned(),
        connection: 0,
        is_encrypted: false,
        is_logged_in: false,
        transcript: Transcript::default(),
    })
}

fn report(to: &str) -> String {
    format!(
        "\r\nFinal-Recipient: rfc822; {to}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 No such mailbox\r\n"
    )
}

/// The lines before the first empty one.
fn headers(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    text.split("\r\n\r\n").next().unwrap_or_default().to_owned()
}

fn rfc5322(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
