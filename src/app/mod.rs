//! The composition root: builds every part, and owns the order in which they start and stop.
//!
//! Guarantees: a service that cannot have its database and folder to itself does not start; what a dead process left
//! running is taken back before anything new is claimed; a shutdown goes through its phases in order, each with a time of
//! its own, and loses nothing whichever of them runs out of it.
//!
//! Left out: what the parts do. Nothing here decides about a job or a request.

pub mod account;
mod account_mails;
pub mod account_orders;
pub mod account_roles;
mod beside;
mod http;
pub mod keys;
mod outgoing;
mod recovery;
pub mod sandbox;
pub mod second_factor;
mod service_manager;
mod shutdown;
mod tree;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::{
    CancelAttempt, CredentialCache, Desk, Downloads, EventStreams, HashingPool, JobStreams, KeyTurns, KeyUses,
    Readiness, ReadsNoted, ShutdownFlag, State, Throttle, Waiters, WrongCodes,
};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{ControlSocket, Controls, JobDesk};
use crate::domain::id::{JobId, NodeId};
use crate::domain::password::{PasswordHashError, PasswordHasher};
use crate::jobs::kinds::{
    AccountDelete, EmailSend, Hurry, JobsBulk, Postbox, Probe, ReportBuild, ReportLimits, UnsubscribeLinks,
};
use crate::jobs::{
    DepthLimits, Depths, KindsElsewhere, MailCounts, OwnQuotas, Registry, SuppressionList, TemplateLibrary,
};
use crate::keyring::{KeyRing, KeyRingError};
use crate::mail::{Limits, Sites, TemplateError};
use crate::private;
use crate::reports::ReportFolder;
use crate::store::{Database, LockError, ServeLock, SessionUses, Store, StoreError, StoreOptions};
use crate::supervision::Tree;
use crate::telemetry;
use crate::telemetry::names::event;
use crate::workers::{MailLedger, Wakes, count_depths};

use service_manager::Progress;

pub use outgoing::OutgoingError;

/// Why the service does not start, or ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Another service has the database or the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The folder for everything that is kept cannot be made.
    #[error("the data folder {path} cannot be made")]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The folder of the reports' files cannot be made.
    #[error("the folder for reports cannot be made")]
    Reports(#[source] std::io::Error),
    /// The keys cannot be read or made.
    #[error("the key ring cannot be opened")]
    Keys(#[from] KeyRingError),
    /// The database cannot be opened or used.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// Passwords cannot be hashed.
    #[error("passwords cannot be hashed")]
    Passwords(#[from] PasswordHashError),
    /// Mail cannot be sent.
    #[error("mail cannot be set up")]
    Outgoing(#[from] OutgoingError),
    /// A built-in template is broken.
    #[error("a built-in template does not compile")]
    Templates(#[from] TemplateError),
    /// The address to listen on cannot be had.
    #[error("cannot listen on {bind}, which http.bind names")]
    Bind {
        /// The address.
        bind: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Signals cannot be waited for.
    #[error("signals cannot be waited for")]
    Signals(#[source] std::io::Error),
    /// The HTTP server ended without being told to.
    #[error("the HTTP server ended by itself")]
    ServerEnded(#[source] std::io::Error),
    /// The root of the supervision tree failed: what the service cannot be without fails however often it is restarted.
    #[error("the supervision tree failed: {text}")]
    RootFailed {
        /// Which failure was the last.
        text: Arc<str>,
    },
}

/// How a service that was told to stop came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Through all phases.
    InOrder,
    /// At once, by a second signal of this number.
    BySecondSignal(i32),
}

/// What is decided for one run on its command line, and by no setting: a forgotten line in a file must not do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Whether operators may make actors panic.
    pub fault_injection: bool,
}

/// Runs the service until it is told to stop. Needs an actix system.
///
/// When its HTTP server ends by itself, or the root of its supervision tree fails, it goes through the same phases as when it
/// is told to stop.
///
/// # Errors
/// [`AppError`] when it cannot start, its HTTP server ends by itself, or its supervision tree failed.
pub async fn serve(config: Config, options: RunOptions) -> Result<Ended, AppError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Signals)?;
    let next_signal = async || {
        tokio::select! {
            _ = interrupt.recv() => (SignalKind::interrupt(), "SIGINT"),
            _ = terminate.recv() => (SignalKind::terminate(), "SIGTERM"),
        }
    };
    live(start(config, options).await?, next_signal).await
}

/// Lives until the end, and goes down in order whatever began it.
async fn live(
    running: Running,
    mut next_signal: impl AsyncFnMut() -> (SignalKind, &'static str),
) -> Result<Ended, AppError> {
    // A task of its own, since it must also be driven while it is being stopped.
    let mut server = actix_web::rt::spawn(running.server);
    service_manager::tell(Progress::Ready);
    let end = tokio::select! {
        ended = &mut server => {
            let ended = ended.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)));
            let cause = ended.err().unwrap_or_else(|| std::io::Error::other("without a word"));
            Err(AppError::ServerEnded(cause))
        }
        cause = running.parts.planted.tree.failed() => Err(AppError::RootFailed { text: cause.text }),
        (_, name) = next_signal() => Ok(name),
    };
    match end {
        Ok(signal) => tracing::info!(
            event = event::SHUTDOWN,
            phase = "begin",
            signal,
            "shutting down; a second signal ends at once"
        ),
        // Why is told once, when all is down.
        Err(_) => tracing::error!(
            event = event::SHUTDOWN,
            phase = "begin",
            "shutting down, since the service cannot go on; a signal ends at once"
        ),
    }
    service_manager::tell(Progress::Stopping);
    tokio::select! {
        () = shutdown::run(running.parts) => end.map(|_| Ended::InOrder),
        (signal, _) = next_signal() => Ok(Ended::BySecondSignal(signal.as_raw_value())),
    }
}

struct Running {
    server: actix_web::dev::Server,
    parts: shutdown::Parts,
}

async fn start(config: Config, options: RunOptions) -> Result<Running, AppError> {
    let config = Arc::new(config);
    let clock = Clock::corrected();
    let data_dir = config.data_dir.clone();
    private::make_folder(&data_dir).map_err(|source| AppError::DataDir {
        path: data_dir.clone(),
        source,
    })?;
    let lock = ServeLock::take(config.database.url.sqlite_path(), &data_dir)?;
    // Before anything is taken back or claimed: a start that cannot listen must not touch a job.
    let (listener, address) = http::bind(&config)?;
    let keys = Arc::new(KeyRing::open(&data_dir, config.secret_keys.as_ref())?);
    let wakes = Wakes::new();
    let planted = tree::plant(&clock, options.fault_injection);
    let store = open_store(&config, &wakes, &planted.tree)?;
    let node = NodeId::generate();

    let transport = outgoing::transport(&config.mail)?;
    let sites = Sites::new(Limits {
        relay: config.mail.concurrency,
        site: config.mail.site_concurrency,
    });
    let library = TemplateLibrary::over(store.clone());
    let postbox = Postbox::new(transport, outgoing::sender(&config.mail.from)?)?
        .within(sites)
        .repeating_after(config.mail.uncertain_wait)
        .with_replacements(library.clone())
        .keeping_to(
            SuppressionList::new(store.clone()),
            UnsubscribeLinks::new(Arc::clone(&keys), &config.public_url.join("/unsubscribe")),
        );
    let reports = ReportFolder::open(data_dir.join("reports")).map_err(AppError::Reports)?;
    let quotas = OwnQuotas::default();
    let mail_counts = MailCounts::new(config.limits.mails_per_day.into(), quotas.clone());
    let depths = Depths::new(&DepthLimits {
        queues: config.queues.clone(),
        workspace: u64::try_from(config.limits.jobs_waiting).unwrap_or(u64::MAX),
        own: quotas.clone(),
        is_alone: store.is_alone(),
    });
    let hurry = Hurry::default();
    let registry = Registry::new()
        .with(EmailSend::new(postbox.clone()).with_store(store.clone()))
        .with(ReportBuild::new(
            store.clone(),
            reports.clone(),
            report_limits(&config),
            &config.public_url.join("/v1/reports"),
        ))
        .with(JobsBulk::new(store.clone(), depths.clone(), hurry.clone()))
        .with(AccountDelete::new(
            store.clone(),
            reports.clone(),
            depths.clone(),
            hurry.clone(),
            config.http.request_timeout,
        ))
        .with(Probe);
    let registry = account_mails::add(registry, &config, &postbox, &store, &keys);
    let performs = registry.performed(config.roles);
    let lease = recovery::enter_and_rescue(&store, node, config.roles, &performs, &clock).await?;

    // One hash a core: more at once would be slower each, and take 19 MiB each.
    let cores = std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
    // Before anything is accepted, so that a restart does not open what is full.
    let ledger = MailLedger::new(mail_counts.clone(), quotas.clone(), depths.clone(), node);
    ledger.read(&store, clock.now()).await;
    count_depths(&store, &depths, &clock).await;
    let throttle = Arc::new(Throttle::new(&config.limits, &depths, &mail_counts, &clock));
    let elsewhere = KindsElsewhere::default();
    let session_uses = SessionUses::default();
    let shared = tree::Shared {
        session_uses: session_uses.clone(),
        throttle: Arc::clone(&throttle),
        key_uses: KeyUses::default(),
        lease,
        elsewhere: elsewhere.clone(),
        depths: depths.clone(),
        mails: ledger.clone(),
        paused: recovery::paused_queues(&store).await?,
        reports: reports.clone(),
    };
    let tree = &planted.tree;
    let grown = tree::grow(tree, &config, &store, &registry, node, &clock, &wakes, &shared);
    let controls = Controls::new(tree.clone()).recording(store.clone(), clock.clone());
    let shutdown = ShutdownFlag::default();
    let lanes = grown.lanes.clone();
    let cancel_attempt: CancelAttempt = Arc::new(move |job: JobId| lanes.iter().any(|lane| lane.cancel(job)));
    let cancel = Arc::clone(&cancel_attempt);
    hurry.by(move |job| cancel(job));
    let state = web::Data::new(State {
        config: Arc::clone(&config),
        clock: clock.clone(),
        store: store.clone(),
        keys,
        hasher: Arc::new(PasswordHasher::new(config.passwords.cost)?),
        credentials: CredentialCache::over(&store, config.session.idle),
        key_uses: shared.key_uses.clone(),
        session_uses: session_uses.clone(),
        wrong_codes: WrongCodes::default(),
        hashing: HashingPool::new(cores, config.passwords.waiting),
        postbox,
        library,
        reports,
        downloads: Downloads::default(),
        registry,
        elsewhere,
        cancel_attempt,
        tree: tree.clone(),
        controls,
        workers: grown.workers.clone(),
        throttle,
        depths,
        mail_counts,
        quotas,
        paused: shared.paused.clone(),
        readiness: Readiness::default(),
        shutdown: shutdown.clone(),
        event_streams: EventStreams::default(),
        job_streams: JobStreams::default(),
        waiters: Waiters::default(),
        key_turns: KeyTurns::default(),
        reads_noted: ReadsNoted::default(),
    });
    let control = serve_control(&config, &state);
    let server = http::listen(&config, listener, state)?;
    tracing::info!(
        event = event::SERVING,
        address = %address,
        node = %node,
        database = %config.database.url,
        mail = %config.mail.url,
        version = env!("CARGO_PKG_VERSION"),
        "legwork serves at http://{address}"
    );
    if options.fault_injection {
        tracing::warn!(
            event = event::FAULT_INJECTION,
            "operators may make actors panic, since the service was started with --fault-injection"
        );
    }
    recovery::say_what_is_missing(&store).await;
    let parts = shutdown::Parts {
        config,
        store,
        session_uses,
        clock,
        node,
        mails: ledger,
        http: server.handle(),
        shutdown,
        planted,
        grown,
        control,
        _lock: lock,
    };
    Ok(Running { server, parts })
}

/// The control socket, served. Without it the service is as good, but for the command line.
fn serve_control(config: &Config, state: &web::Data<State>) -> Option<ControlSocket> {
    match ControlSocket::bind(&config.data_dir) {
        Ok(socket) => {
            let desk: Arc<dyn JobDesk> = Arc::new(Desk(state.clone()));
            socket.serve(state.controls.clone(), Some(desk), config.shutdown.actors);
            Some(socket)
        }
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(
                event = event::CONTROL_UNBOUND,
                error,
                "there is no control socket; `legwork supervision` and `legwork jobs` cannot reach this service"
            );
            None
        }
    }
}

fn report_limits(config: &Config) -> ReportLimits {
    ReportLimits {
        max_rows: config.reports.max_rows,
        max_bytes: config.reports.max_bytes,
        ttl: config.reports.ttl,
        stored_max: config.limits.bytes_stored_max,
    }
}

fn open_store(config: &Config, wakes: &Wakes, tree: &Tree) -> Result<Store, StoreError> {
    let wakes = wakes.clone();
    let options = StoreOptions {
        database: Database::from(&config.database.url),
        writers: config.database.writers,
        readers: config.database.readers,
        on_available: Arc::new(move |queues| queues.iter().for_each(|queue| wakes.wake(*queue))),
    };
    Store::open(&options, tree.root())
}

#[cfg(test)]
mod tests;
