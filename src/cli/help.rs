//! What `legwork help` says after the options of each command.

/// After the list of commands.
pub(crate) const LEGWORK: &str = "\
Examples:
  legwork                                       serve, with everything in the folder `data`
  LEGWORK_HTTP__BIND=127.0.0.1:9000 legwork     serve on another port
  legwork --config /etc/legwork.toml serve      serve with a settings file
  legwork help backup                           more about one command

Environment:
  LEGWORK_<SECTION>__<NAME>         sets a setting: LEGWORK_HTTP__BIND is `bind` in [http]; wins over the file
  LEGWORK_<SECTION>__<NAME>_FILE    the same, read from the file that it names; for secrets
  NOTIFY_SOCKET                     where systemd is told that the service is ready, and that it stops

Files:
  legwork.toml        settings, read from the current folder if it is there; `legwork config --defaults` shows all
  data/legwork.db     the database (SQLite, with -wal and -shm beside it)
  data/keys           the keys that sign links; keep it with backups of the database
  data/outbox/        mails, until mail.url names a relay

Exit codes:
  0         done, or stopped in order
  1         it failed, and standard error says why
  2         the command line is wrong
  130, 143  a second SIGINT, SIGTERM ended the service at once";

/// After `serve`.
pub(crate) const SERVE: &str = "\
Examples:
  legwork serve
  LEGWORK_MAIL__URL=smtp://127.0.0.1:25 LEGWORK_MAIL__FROM='Ann <ann@example.com>' legwork serve

It makes what is missing: the data folder, the database, the keys; and brings the schema up to date. A second service on
the same data is refused. The log goes to standard error, as lines for people on a terminal and as JSON otherwise.

Signals:
  SIGTERM, SIGINT   stop in order: requests end, attempts get shutdown.grace_ms, what is left runs at the next start
  a second one      end at once (exit code 130 or 143); nothing accepted is lost by it";

/// After `migrate`.
pub(crate) const MIGRATE: &str = "\
Example:
  legwork migrate

`serve` does the same when it starts. On its own it is for an upgrade in steps: stop the old version, make a backup,
migrate, start the new one. A database that a newer version has used is refused.";

/// After `backup`.
pub(crate) const BACKUP: &str = "\
Examples:
  legwork backup copy.db
  legwork --config /etc/legwork.toml backup /var/backups/legwork-$(date +%F).db

The copy is one moment's state, complete and on disk when the command ends. To restore: stop the service, put the copy in
the place of the database (without the -wal and -shm files beside that), and the file `keys` that belongs to it.";

/// After `account`.
pub(crate) const ACCOUNT: &str = "\
Example:
  echo 'a good long password' | legwork account create --operator --email ann@example.com --password-stdin";

/// After `account create`.
pub(crate) const ACCOUNT_CREATE: &str = "\
Examples:
  echo 'a good long password' | legwork account create --email ann@example.com --name Ann --password-stdin
  legwork account create --operator --email op@example.com --password-stdin --api-key < password.txt

The account is printed as JSON, with its key if one was asked for: this once, since only a hash of it is kept. The database
must have the schema of this version; a new one gets it.";

/// After `openapi`.
pub(crate) const OPENAPI: &str = "\
Example:
  legwork openapi > openapi.json

The running service gives the same at GET /openapi.json, and as pages at /docs. It needs no settings and no database.";

/// After `config`.
pub(crate) const CONFIG: &str = "\
Examples:
  legwork config                                 what the service would start with, and why
  legwork config --json | jq '.[] | select(.origin != \"default\")'
  legwork config --defaults > legwork.toml       a file to begin with

Each line has a comment with the origin of its value: default, derived (from other settings or the terminal), the settings
file, or the variable. Passwords and keys are shown as ***. If a setting is wrong, all are listed, standard error says which
one it is, and the exit code is 1.";

/// After `health`.
pub(crate) const HEALTH: &str = "\
Examples:
  legwork health
  legwork health --at 127.0.0.1:9000

Asks GET /health/ready and prints `ok`, or `degraded` if a worker is not running. Exit code 0 for both, since a restart of
the service mends neither; 1 if it does not answer, stops, or has no usable database.";
