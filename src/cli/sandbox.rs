//! `legwork sandbox`: a mail server for tests.

use std::net::SocketAddr;

use legwork::app::sandbox::{Sandbox, SandboxOptions};
use legwork::sandbox::{Extensions, Keep, Offer, OfferedLogin, OfferedTls, Options, Rule, self_signed};
use legwork::telemetry;

/// The most bytes of mail that are held.
const KEEP_BYTES: usize = 256 * 1024 * 1024;
/// The most connections at a time.
const CONNECTIONS_MAX: usize = 1_000;

/// How the sandbox is set up.
#[derive(clap::Args)]
pub(crate) struct SandboxArgs {
    /// Where mail is taken
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2525")]
    smtp: SocketAddr,
    /// Where its page and its HTTP interface are
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8025")]
    http: SocketAddr,
    /// A fault, such as 'rcpt times=2 reply 450 4.2.1 busy'; as often as you like
    #[arg(long, value_name = "RULE")]
    rule: Vec<Rule>,
    /// How many mails are held, of 256 MiB together; the oldest go first
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// How it encrypts, with a certificate that nobody has signed
    #[arg(long, value_enum, default_value_t = Tls::None)]
    tls: Tls,
    /// Whom it lets in, by AUTH PLAIN and LOGIN; others too, since mail needs no login here
    #[arg(long, value_name = "USER:PASSWORD")]
    login: Option<String>,
    /// Extensions that are not offered, with commas between them
    #[arg(long, value_enum, value_delimiter = ',')]
    without: Vec<Extension>,
    /// The most bytes of a message, as SIZE says
    #[arg(long, value_name = "BYTES", default_value_t = 50 * 1024 * 1024)]
    size: usize,
    /// A name by which its pages may be asked, such as that of its container; as often as you like
    #[arg(long, value_name = "HOST")]
    name: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Tls {
    None,
    Starttls,
    Implicit,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Extension {
    #[value(name = "8bitmime")]
    EightBitMime,
    Smtputf8,
    Pipelining,
    Chunking,
    Size,
}

impl SandboxArgs {
    fn options(self) -> Result<SandboxOptions, String> {
        let has = |extension| !self.without.contains(&extension);
        let extensions = Extensions {
            eight_bit_mime: has(Extension::EightBitMime),
            smtp_utf8: has(Extension::Smtputf8),
            pipelining: has(Extension::Pipelining),
            chunking: has(Extension::Chunking),
            size: has(Extension::Size).then_some(self.size),
        };
        let offer = Offer {
            tls: tls_of(self.tls, &self.name)?,
            login: self.login.as_deref().map(login_of).transpose()?,
        };
        let relay = Options {
            bind: self.smtp,
            offer,
            extensions,
            keep: Keep {
                mails: usize::try_from(self.keep).unwrap_or(usize::MAX),
                bytes: KEEP_BYTES,
            },
            connections_max: CONNECTIONS_MAX,
            ..Options::default()
        };
        Ok(SandboxOptions {
            relay,
            http: self.http,
            names: self.name,
            rules: self.rule,
        })
    }
}

fn tls_of(tls: Tls, names: &[String]) -> Result<OfferedTls, String> {
    if tls == Tls::None {
        return Ok(OfferedTls::None);
    }
    let all: Vec<&str> = ["localhost", "127.0.0.1", "::1"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    let config = self_signed(&all).map_err(|error| telemetry::chain(&error))?;
    Ok(if tls == Tls::Implicit {
        OfferedTls::Implicit(config)
    } else {
        OfferedTls::StartTls(config)
    })
}

fn login_of(text: &str) -> Result<OfferedLogin, String> {
    let (user, password) = text.split_once(':').ok_or("--login is USER:PASSWORD")?;
    Ok(OfferedLogin {
        user: user.to_owned(),
        password: password.to_owned(),
        mechanisms: "PLAIN LOGIN".to_owned(),
        in_the_clear: true,
    })
}

/// Serves until SIGINT or SIGTERM; `say` is told once where it listens.
pub(crate) fn run(args: SandboxArgs, say: impl FnOnce(&str) -> Result<(), String>) -> Result<(), String> {
    let is_open = !(args.smtp.ip().is_loopback() && args.http.ip().is_loopback());
    let options = args.options()?;
    actix::System::new().block_on(async {
        let sandbox = Sandbox::start(options).map_err(|error| telemetry::chain(&error))?;
        let (smtp, http) = (sandbox.smtp_url(), sandbox.http_url());
        let warning = if is_open {
            "\nwhoever reaches it can read all mail that it holds"
        } else {
            ""
        };
        say(&format!(
            "the sandbox takes mail at {smtp} and shows it at {http}\nfor the service: LEGWORK_MAIL__URL={smtp}{warning}"
        ))?;
        sandbox.serve().await.map_err(|error| telemetry::chain(&error))
    })
}
