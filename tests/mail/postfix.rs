//! Postfix as the relay.

use super::real_server::is_spoken_to;
use crate::support::postfix;

#[tokio::test]
async fn postfix_takes_mail_over_tls_and_after_a_login() {
    for mechanisms in ["PLAIN LOGIN", "LOGIN"] {
        let Some(server) = postfix::start(mechanisms).await else {
            return;
        };
        is_spoken_to(&server).await;
        assert!(
            server
                .log()
                .contains(&format!("sasl_method={}", mechanisms.split(' ').next().unwrap()))
        );
    }
}
