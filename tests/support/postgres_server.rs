//! A throwaway PostgreSQL server as a process of its own: on a loopback port and a socket of its own, in a folder of its own.
//!
//! Guarantees: the server and its folder go when the value is dropped, and also when this process ends in any other way,
//! `kill -9` included: a shell that starts the server waits on a pipe which only this process holds open. Everybody may log in
//! without a password over the socket and from 127.0.0.1, but for the role `locked`. What waits is bounded by [`PATIENCE`].
//!
//! A server started by root runs as `nobody`, since PostgreSQL refuses to run as root.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::required;

/// The longest that anything here waits: far beyond what is needed on a loaded machine with two cores.
const PATIENCE: Duration = Duration::from_secs(60);

/// The user and the group `nobody`.
const NOBODY: u32 = 65_534;

/// The role that owns everything.
const OWNER: &str = "legwork";

/// Starts the server given as arguments, says its id, and ends it when told to, or when whoever would tell it is gone; then
/// the folder goes too, since nobody else is left to remove it.
const KEEPER: &str = r#"
folder=$1; shift
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
echo "$server"
exec >&-
read -r word || word=gone
[ "$word" = none ] || kill -INT "$server" 2>/dev/null
wait "$server"
[ "$word" != gone ] || { cd / && rm -rf "$folder"; }
"#;

/// A server, running or stopped.
pub(crate) struct PostgresServer {
    programs: PathBuf,
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
    port: u16,
    keeper: Mutex<Option<Keeper>>,
    databases: AtomicU32,
}

/// The shell that holds the server, and the server's own process id.
struct Keeper {
    shell: Child,
    server: u32,
}

/// The server that the tests of this process share, without fsync; none, said aloud, if it cannot be had here.
pub(crate) fn shared() -> Option<&'static PostgresServer> {
    static SHARED: OnceLock<Option<PostgresServer>> = OnceLock::new();
    SHARED
        .get_or_init(|| PostgresServer::start_new(&[("fsync", "off")]))
        .as_ref()
}

impl PostgresServer {
    /// Makes a cluster with these settings and starts it; none, said aloud, if the programs are missing.
    pub(crate) fn start_new(settings: &[(&str, &str)]) -> Option<Self> {
        Self::start_prepared(settings, |_| {})
    }

    /// The same, with a folder that `prepare` has put files into, which become the server's own.
    pub(crate) fn start_prepared(settings: &[(&str, &str)], prepare: impl FnOnce(&Path)) -> Option<Self> {
        let programs = required::folder_with("postgres", &candidates(), &["initdb", "postgres", "psql"])?;
        let folder = tempfile::Builder::new().prefix("legwork-pg-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        prepare(folder.path());
        let server = Self {
            programs,
            folder,
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            port: free_port(),
            keeper: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        if is_root() {
            give_to_nobody(server.folder.path());
        }
        server.make_cluster();
        server.start();
        server.psql("CREATE ROLE locked LOGIN PASSWORD 'open sesame'");
        Some(server)
    }

    fn make_cluster(&self) {
        let mut initdb = self.as_server_user(&self.programs.join("initdb"));
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--username",
            OWNER,
        ]);
        let made = initdb.arg("--pgdata").arg(self.data()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let access = "local all all trust\nhost all locked all scram-sha-256\nhost all all all trust\n";
        let mut settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nmax_connections = 100\n",
            self.port,
            self.folder.path().display()
        );
        for (name, value) in &self.settings {
            writeln!(settings, "{name} = '{value}'").unwrap();
        }
        // Written over in place, so that they stay the server user's.
        std::fs::write(self.data().join("pg_hba.conf"), access).unwrap();
        let mut file = std::fs::File::options()
            .append(true)
            .open(self.data().join("postgresql.conf"))
            .unwrap();
        file.write_all(settings.as_bytes()).unwrap();
    }

    /// Starts the server, again on the same data and the same port, and waits until it answers.
    pub(crate) fn start(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(keeper.is_none(), "it is running");
        // What a killed server leaves behind may refuse its successor for a moment.
        loop {
            let mut started = self.spawn();
            while started.is_alive() && Instant::now() < deadline {
                if self.try_psql("postgres", "SELECT 1").is_ok() {
                    *keeper = Some(started);
                    return;
                }
            }
            started.end("none");
            assert!(Instant::now() < deadline, "the server does not start:\n{}", self.log());
        }
    }

    fn spawn(&self) -> Keeper {
        let mut shell = self.as_server_user(Path::new("sh"));
        shell.args(["-c", KEEPER, "sh"]).arg(self.folder.path());
        shell.arg(self.programs.join("postgres")).arg("-D").arg(self.data());
        let mut shell = shell
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Where it says that the server was killed.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(shell.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        Keeper {
            server: said.trim().parse().unwrap(),
            shell,
        }
    }

    /// Stops the server as an operator would: connections are ended, what was committed is kept.
    pub(crate) fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        keeper.expect("it is running").end("stop");
    }

    /// Kills the server, so that it finds its data as a power cut would leave it.
    pub(crate) fn kill(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        let keeper = keeper.expect("it is running");
        signal("KILL", keeper.server);
        keeper.end("none");
    }

    /// Sends a signal to the server's first process, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        signal(name, keeper.as_ref().expect("it is running").server);
    }

    /// Makes a database of its own and answers its URL.
    pub(crate) fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.psql(&format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database over TCP.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{OWNER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a database over the socket.
    pub(crate) fn socket_url(&self, database: &str) -> String {
        let folder = self.folder.path().display();
        format!("postgres://{OWNER}@/{database}?host={folder}&port={}", self.port)
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends the clients' connections, and answers how many there were.
    pub(crate) fn kill_connections(&self) -> usize {
        let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
        self.psql(all).parse().unwrap()
    }

    /// What a statement answers, run as the owner in the database `postgres`: rows on lines, columns between bars.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.psql_in("postgres", sql)
    }

    /// The same in another database.
    pub(crate) fn psql_in(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The same once it succeeds: for a server that has just been short of connections.
    pub(crate) fn psql_until(&self, sql: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_psql("postgres", sql) {
                Ok(said) => return said,
                Err(error) => assert!(Instant::now() < deadline, "{sql}: {error}"),
            }
        }
    }

    /// Replaces the rules of who may connect (`pg_hba.conf`) and has the server heed them.
    pub(crate) fn set_access(&self, rules: &str) {
        std::fs::write(self.data().join("pg_hba.conf"), rules).unwrap();
        let before = self.psql("SELECT pg_conf_load_time()");
        self.psql("SELECT pg_reload_conf()");
        let deadline = Instant::now() + PATIENCE;
        while self.psql("SELECT pg_conf_load_time()") == before {
            assert!(Instant::now() < deadline, "the rules are not read");
        }
    }

    fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            OWNER,
            "-d",
            database,
        ]);
        psql.arg("-h")
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string(), "-c", sql]);
        // Bounded, since a server that is stopped by a signal accepts connections and never answers.
        psql.env("PGCONNECT_TIMEOUT", "5");
        let said = psql.stdin(Stdio::null()).output().unwrap();
        if said.status.success() {
            Ok(String::from_utf8(said.stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&said.stderr).into_owned())
        }
    }

    /// What the server wrote to its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn as_server_user(&self, program: &Path) -> Command {
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        let user = NOBODY.to_string();
        command
            .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
            .arg(program);
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.end("stop");
        }
    }
}

impl Keeper {
    fn is_alive(&mut self) -> bool {
        // One that has ended stays as a zombie until the shell is told to look.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.server)).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.is_some_and(|state| state != 'Z') && self.shell.try_wait().unwrap().is_none()
    }

    /// Tells the shell to end the server with a signal (`stop`) or to wait for its end only (`none`), and waits.
    fn end(mut self, word: &str) {
        // The shell may be gone.
        if let Some(mut pipe) = self.shell.stdin.take()
            && writeln!(pipe, "{word}").is_err()
        {}
        self.shell.wait().unwrap();
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(std::env::var("LEGWORK_TEST_POSTGRES_BIN").ok().map(PathBuf::from));
    // Debian's place for the programs that are not for everybody; the newest version first.
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev().map(|(_, folder)| folder));
    let path = std::env::var("PATH").unwrap_or_default();
    folders.extend(path.split(':').map(PathBuf::from));
    folders
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn give_to_nobody(folder: &Path) {
    chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, process: u32) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}
