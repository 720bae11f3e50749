//! OpenSMTPD as the relay.

use super::real_server::is_spoken_to;
use crate::support::opensmtpd;

#[tokio::test]
async fn opensmtpd_takes_mail_over_tls_and_after_a_login() {
    let Some(server) = opensmtpd::start().await else {
        return;
    };
    is_spoken_to(&server).await;
    assert!(server.log().contains("smtp authentication user=ada result=ok"));
}
