//! `legwork keys`: API keys of any account, on the database itself.
//!
//! Guarantees: nothing of a key is shown but its first characters; what owners call their keys cannot steer the terminal.

use legwork::app::keys;
use legwork::clock::Clock;
use legwork::config::Config;
use legwork::telemetry::{self, harmless_json};
use serde_json::{Value, json};

use super::help;
use super::jobs::tables::{table, text};

/// What is asked for.
#[derive(clap::Subcommand)]
pub(crate) enum KeysCommand {
    /// Print the keys that are good, the newest first
    #[command(after_help = help::KEYS_LIST)]
    List {
        /// Only those of the account with this address
        #[arg(long)]
        email: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key
    #[command(after_help = help::KEYS_REVOKE)]
    Revoke {
        /// Its id, or its first twelve characters
        #[arg(value_name = "ID|PREFIX")]
        which: String,
    },
}

/// Does what is asked for, and answers what is to be printed.
pub(crate) fn run(command: &KeysCommand, config: &Config) -> Result<String, String> {
    let system = actix::System::new();
    match command {
        KeysCommand::List { email, json } => {
            let found = system.block_on(keys::list(config, email.as_deref(), &Clock::System));
            // What is listed always serializes.
            let told = json!({ "data": found.map_err(|error| telemetry::chain(&error))? });
            if *json {
                let text = serde_json::to_string_pretty(&told).map_err(|error| error.to_string())?;
                return Ok(harmless_json(&text));
            }
            Ok(drawn(&told))
        }
        KeysCommand::Revoke { which } => {
            let revoked = system
                .block_on(keys::revoke(config, which, &Clock::System))
                .map_err(|error| telemetry::chain(&error))?;
            let prefix = revoked.prefix.unwrap_or_else(|| "a key without a prefix".to_owned());
            Ok(format!("{} ({prefix}) of {} is revoked", revoked.id, revoked.email))
        }
    }
}

fn drawn(told: &Value) -> String {
    let all = told.get("data").and_then(Value::as_array).into_iter().flatten();
    let rows = all.map(|key| {
        let names = ["id", "prefix", "email", "name", "expires_at", "last_used_at", "scopes"];
        names.iter().map(|name| text(key, name)).collect()
    });
    let heads = ["ID", "PREFIX", "ACCOUNT", "NAME", "EXPIRES", "LAST USED", "SCOPES"];
    table(&heads, rows.collect())
}
