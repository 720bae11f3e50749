//! `legwork config`: every setting, its value, and where it came from.

use legwork::config::{self, Config, ConfigArgs};
use legwork::telemetry;

/// What of the settings is asked for.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct SettingsArgs {
    /// Print the defaults with their descriptions instead: a file to begin with
    #[arg(long, conflicts_with = "json")]
    defaults: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// What is printed, and what is wrong with the settings if something is.
pub(crate) struct Shown {
    pub(crate) text: String,
    pub(crate) problem: Option<String>,
}

/// Makes the text.
pub(crate) fn show(args: SettingsArgs, config: &ConfigArgs) -> Result<Shown, String> {
    if args.defaults {
        return Ok(Shown {
            text: config::DEFAULTS.trim_end().to_owned(),
            problem: None,
        });
    }
    let listing = Config::list(config).map_err(|error| telemetry::chain(&error))?;
    let text = if args.json {
        serde_json::to_string_pretty(&listing.settings).map_err(|error| error.to_string())?
    } else {
        listing.to_string().trim_end().to_owned()
    };
    Ok(Shown {
        text,
        problem: listing.problem.map(|error| telemetry::chain(&error)),
    })
}
