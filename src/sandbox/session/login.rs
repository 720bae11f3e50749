//! The relay's side of AUTH PLAIN and LOGIN.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{End, Session};
use crate::sandbox::offer::OfferedLogin;
use crate::sandbox::step::Step;

impl Session {
    /// Answers the line `line`, which begins with AUTH.
    pub(super) async fn log_in(&mut self, line: &str) -> Result<(), End> {
        let offered = self.login_offered().cloned();
        let mut words = line.split(' ').skip(1);
        let (mechanism, initial) = (words.next().unwrap_or_default(), words.next());
        let Some(login) = offered.filter(|login| login.mechanisms.split(' ').any(|one| one == mechanism)) else {
            self.say("504 5.5.4 Unrecognized authentication type");
            return Ok(());
        };
        match mechanism {
            "PLAIN" => {
                let response = match initial {
                    Some(response) => response.to_owned(),
                    None => {
                        self.say("334 ");
                        self.secret_line().await?
                    }
                };
                let expected = STANDARD.encode(format!("\0{}\0{}", login.user, login.password));
                self.judge(Step::Auth, response == expected).await
            }
            _ => self.by_challenges(&login).await,
        }
    }

    async fn by_challenges(&mut self, login: &OfferedLogin) -> Result<(), End> {
        let (ask_user, ask_password) = (STANDARD.encode("Username:"), STANDARD.encode("Password:"));
        if !self.answer(Step::Auth, &[], &format!("334 {ask_user}")).await? {
            return Ok(());
        }
        let user = self.secret_line().await?;
        if !self.answer(Step::AuthUser, &[], &format!("334 {ask_password}")).await? {
            return Ok(());
        }
        let password = self.secret_line().await?;
        let is_right = user == STANDARD.encode(&login.user) && password == STANDARD.encode(&login.password);
        self.judge(Step::AuthPassword, is_right).await
    }

    async fn judge(&mut self, step: Step, is_right: bool) -> Result<(), End> {
        let usual = if is_right {
            "235 2.7.0 Authentication successful"
        } else {
            "535 5.7.8 Error: authentication failed"
        };
        self.is_logged_in = self.answer(step, &[], usual).await? && is_right;
        Ok(())
    }
}
