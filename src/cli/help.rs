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
  data/legwork.db     the database (SQLite, with -wal and -shm beside it), unless database.url names PostgreSQL
  data/keys           the keys that sign links; keep it with backups of the database
  data/outbox/        mails, until mail.url names a relay
  data/control.sock   where `legwork supervision` and `legwork jobs` reach the running service; its user's only

Exit codes:
  0         done, or stopped in order
  1         it failed, and standard error says why
  2         the command line is wrong
  3, 4, 5   of `legwork supervision` and `jobs`: no service runs; no such actor or job; the order was refused
  130, 143  a second SIGINT, SIGTERM ended the service at once; 130 also for who stops looking on at `legwork jobs`";

/// After `serve`.
pub(crate) const SERVE: &str = "\
Examples:
  legwork serve
  LEGWORK_MAIL__URL=smtp://127.0.0.1:25 LEGWORK_MAIL__FROM='Ann <ann@example.com>' legwork serve

It makes what is missing: the data folder, the database, the keys; and brings the schema up to date. A second service on
the same data is refused. The log goes to standard error, as lines for people on a terminal and as JSON otherwise.

Signals:
  SIGTERM, SIGINT   stop in order: requests end, attempts get shutdown.grace_ms, what is left runs at the next start
  a second one      end at once (exit code 130 or 143); nothing accepted is lost by it

With --fault-injection, `legwork supervision panic NAME` makes an actor panic: to see on a test installation what that
does. The log warns of it at the start.";

/// After `supervision`.
pub(crate) const SUPERVISION: &str = "\
Examples:
  legwork supervision                        the tree: states, restarts, mailboxes, last failures
  legwork supervision --json | jq '.root.children[] | select(.state != \"running\")'
  legwork supervision restart mailer
  legwork supervision events --follow

It reaches the running service through control.sock in its data folder (data_dir), and so is for the user that the service
runs as, and root: legwork --config /etc/legwork.toml supervision. Every order is a line in the service's log.

Exit codes:
  0  done; for an order: passed on
  1  it failed, and standard error says why
  3  no service runs on this data folder
  4  no actor has that name
  5  refused: the actor cannot do that now, or the service runs without --fault-injection";

/// After `supervision show`.
pub(crate) const SUPERVISION_SHOW: &str = "\
Examples:
  legwork supervision show mailer
  legwork supervision show mailer --backtrace      with where its last failure came from";

/// After `supervision restart`.
pub(crate) const SUPERVISION_RESTART: &str = "\
Example:
  legwork supervision restart mailer

Its state is built anew after the message at hand; its mailbox is kept, and so are the attempts under way. A suspension
ends. Of a supervisor (root, jobs, workers), all beneath it are restarted.";

/// After `supervision suspend`.
pub(crate) const SUPERVISION_SUSPEND: &str = "\
Example:
  legwork supervision suspend mailer

A worker's attempts under way go on, and nothing more of its queue is claimed. Without the keeper or the writer the lease
is not renewed: in some ten seconds all attempts under way are ended, and given back. Of a supervisor, all beneath it are
suspended. To stop a queue for longer, pause it (POST /v1/queues/{name}/pause): that outlives a restart.";

/// After `supervision resume`.
pub(crate) const SUPERVISION_RESUME: &str = "\
Example:
  legwork supervision resume mailer";

/// After `supervision panic`.
pub(crate) const SUPERVISION_PANIC: &str = "\
Example:
  legwork supervision panic prober      of a service that was started with legwork serve --fault-injection

A panic of root ends the service, in order and with exit code 1.";

/// After `supervision events`.
pub(crate) const SUPERVISION_EVENTS: &str = "\
Examples:
  legwork supervision events                 the last ones, at most 256
  legwork supervision events --follow        and those to come
  legwork supervision events --follow --json | jq -c 'select(.kind == \"panicked\")'

With --follow it ends with 0 when the service stops in order, and with 1 when the connection is lost.";

/// After `jobs`.
pub(crate) const JOBS: &str = "\
Examples:
  legwork jobs causes                                      why jobs were given up, and how many
  legwork jobs retry --queue mail --state discarded --rate 5
  legwork jobs cancel job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6
  legwork jobs resolve job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6 --as completed

It reaches the running service through control.sock in its data folder (data_dir), and so is for the user that the service
runs as, and root. Every order is written down: GET /v1/audit shows it, with the user's number.

Exit codes:
  0    done
  1    it failed, or nobody said yes; standard error says why
  3    no service runs on this data folder
  4    of show and resolve: no job has that id
  5    refused: a filter or arguments that make no sense, not as many jobs as the preview said, or not an uncertain job
  130  you stopped looking on; the order goes on";

/// After `jobs list`.
pub(crate) const JOBS_LIST: &str = "\
Examples:
  legwork jobs list --state running
  legwork jobs list --queue mail --json | jq -r '.data[].id'";

/// After `jobs show`.
pub(crate) const JOBS_SHOW: &str = "\
Example:
  legwork jobs show job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6";

/// After `jobs causes`.
pub(crate) const JOBS_CAUSES: &str = "\
Examples:
  legwork jobs causes
  legwork jobs causes --state uncertain --since 2026-01-31T08:00:00Z --json

Discarded jobs unless --state says cancelled or uncertain. In an error, what differs from job to job stands as #, <id>,
<address> and '…'; `legwork jobs retry --error` takes it as it is printed.";

/// After `jobs cancel`.
pub(crate) const JOBS_CANCEL: &str = "\
Examples:
  legwork jobs cancel job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6 --yes
  legwork jobs cancel --kind report.build --workspace wsp_0193a0f2b1c47d3e8f90a1b2c3d4e5f6

All that is given must hold. Without --state, what has not ended is meant; those that run are asked to end. The count is
shown, and nothing is done before a yes.";

/// After `jobs retry`.
pub(crate) const JOBS_RETRY: &str = "\
Examples:
  legwork jobs retry --queue mail --error 'the relay said #' --rate 5
  legwork jobs retry job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6 --yes
  legwork jobs retry --kind probe.run --args args.json

All that is given must hold. Without --state, what was discarded is meant; of named jobs, whatever can run again. The order
is a job of its own: Ctrl-C stops looking on and nothing else, and `legwork jobs cancel` with its id stops it where it is.";

/// After `sandbox`.
pub(crate) const SANDBOX: &str = "\
Examples:
  legwork sandbox                                  and then: LEGWORK_MAIL__URL=smtp://127.0.0.1:2525 legwork serve
  legwork sandbox --rule 'rcpt to=ann@example.com times=1 reply 450 4.2.1 busy' --rule 'taken times=1 close'
  curl 'http://127.0.0.1:8025/api/wait?to=ann@example.com&timeout_s=10'

A rule is STEP [to=ADDRESS] [times=N] ACT. Steps: greeting, ehlo, starttls, handshake, ehlo-again, auth, auth-user,
auth-password, mail, rcpt, data, chunk, body, dot (not taken yet), taken (not answered yet), rset, quit. Acts: reply CODE
WORDS, close, reset, hang, slow MS, trickle MS, garbage text|long|binary|nul, bounce. Of *@example.com it is for a domain.

Without a rule, the recipient's address makes it fail: ann+450@example.com, ann+dot-close@example.com; its page has the table.

It holds what it takes in memory, until it ends. Whoever reaches it can read it: leave it on loopback, or in a network of tests.";

/// After `jobs resolve`.
pub(crate) const JOBS_RESOLVE: &str = "\
Examples:
  legwork jobs list --state uncertain
  legwork jobs resolve job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6 --as completed

A job is uncertain when its effect may have happened and nobody knows, such as a mail whose relay fell silent after the last
dot. Look whether it arrived, and say so; `legwork jobs retry` sends it again. Who said so is written down.";

/// After `migrate`.
pub(crate) const MIGRATE: &str = "\
Examples:
  legwork migrate
  legwork migrate --contract

`serve` does the same when it starts. On its own it is for an upgrade in steps: make a backup, migrate, then restart one node
after the other: what is done to the schema leaves the version before at work on it. A database that a newer version has
changed beyond what this one can work with is refused.

What only older versions use is taken out by a running service, once none of their nodes has been alive for
database.contract_after_minutes. --contract does it at once, and ends with 1 while one is alive.";

/// After `backup`.
pub(crate) const BACKUP: &str = "\
Examples:
  legwork backup copy.db
  legwork --config /etc/legwork.toml backup /var/backups/legwork-$(date +%F).db

The copy is one moment's state, complete and on disk when the command ends. To restore: stop the service, put the copy in
the place of the database (without the -wal and -shm files beside that), and the file `keys` that belongs to it.
It copies a file; a database on a PostgreSQL server is copied by pg_dump.";

/// After `account`.
pub(crate) const ACCOUNT: &str = "\
Examples:
  legwork account grant-operator --email ann@example.com
  echo 'a good long password' | legwork account create --operator --email ann@example.com --password-stdin
  echo 'seven green kites at noon' | legwork account set-password --email ann@example.com --password-stdin
  legwork account delete --email ann@example.com";

/// After `account grant-operator`.
pub(crate) const ACCOUNT_GRANT: &str = "\
Example:
  legwork account grant-operator --email ann@example.com

It works beside a running service, which heeds it within a second, and is written down among the acts. The logins of the
account end, so that one from before does not become an operator's; its API keys stay, and become an operator's.";

/// After `account revoke-operator`.
pub(crate) const ACCOUNT_REVOKE: &str = "\
Example:
  legwork account revoke-operator --email ann@example.com

It works beside a running service, which heeds it within a second, and is written down among the acts. Refused for the only
operator.";

/// After `account create`.
pub(crate) const ACCOUNT_CREATE: &str = "\
Examples:
  echo 'a good long password' | legwork account create --email ann@example.com --name Ann --password-stdin
  legwork account create --operator --email op@example.com --password-stdin --api-key < password.txt

The account is printed as JSON, with its key if one was asked for: this once, since only a hash of it is kept. The database
must have the schema of this version; a new one gets it.";

/// After `account disable-second-factor`.
pub(crate) const ACCOUNT_DISABLE_SECOND_FACTOR: &str = "\
Example:
  legwork account disable-second-factor --email ann@example.com

For somebody who has lost both the app and the recovery codes. Make sure first that it is they who ask: whoever has their password
gets in without a code from then on. All logins of the account end. It is written down (GET /v1/audit).";

/// After `account set-password`.
pub(crate) const ACCOUNT_SET_PASSWORD: &str = "\
Example:
  echo 'seven green kites at noon' | legwork account set-password --email ann@example.com --password-stdin

All logins of the account end; links that were mailed before are void; its owner is told by mail, which a running service
sends. API keys and the second factor stay. It works beside a running service.";

/// After `account delete`.
pub(crate) const ACCOUNT_DELETE: &str = "\
Examples:
  legwork account delete --email ann@example.com             in accounts.deletion_grace_days; its owner can take it back
  legwork account delete --email ann@example.com --at-once

The running service deletes the account, its jobs, reports, schedules and all else of its workspace, as the job
account.delete. The security log and the acts of operators stay. The last operator's account cannot be deleted.";

/// After `keys`.
pub(crate) const KEYS: &str = "\
Examples:
  legwork keys list --email ann@example.com
  legwork keys revoke lwk_0a1B2c3D

They work on the database, beside a running service or without one, and need the schema of this version.";

/// After `keys list`.
pub(crate) const KEYS_LIST: &str = "\
Examples:
  legwork keys list
  legwork keys list --email ann@example.com --json | jq -r '.data[].id'

Keys that are good: those that are revoked or whose time has come are not shown.";

/// After `keys revoke`.
pub(crate) const KEYS_REVOKE: &str = "\
Examples:
  legwork keys revoke lwk_0a1B2c3D
  legwork keys revoke key_0193a0f2b1c47d3e8f90a1b2c3d4e5f6

Never write a whole key here: its first twelve characters name it. A running service refuses the key within a second. It is
written down among the acts of operators, and in the log of its account.";

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

/// After `templates`.
pub(crate) const TEMPLATES: &str = "\
Examples:
  legwork templates check mails/*.json

It needs no service and no settings.";

/// After `templates check`.
pub(crate) const TEMPLATES_CHECK: &str = "\
Examples:
  legwork templates check order.json layout.json

Each file is what POST /v1/templates takes: name, subject, html, and text, sample, locale and layout if wanted. One line a
file, or a finding: with the place, and the line there. A sample is rendered; without one it is seen whether it compiles.

Exit codes:
  0  all can be rendered; there may be warnings
  1  some cannot, and standard error says which and why";
