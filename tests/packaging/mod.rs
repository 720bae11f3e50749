//! What is shipped beside the binary: the systemd unit, the container file, the settings file.

use std::path::Path;
use std::time::Duration;

use crate::support::required;
use crate::support::service::Home;

const UNIT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/legwork.service"));
const CONTAINERFILE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/Containerfile"));

/// The most that `systemd-analyze security` may find open, in tenths of its scale of 0 (nothing) to 10: the network, which a
/// service needs, is most of it.
const EXPOSURE_MAX: &str = "12";

/// What the unit sets `name` to.
fn of_unit(name: &str) -> &'static str {
    let line = UNIT.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("the unit sets no {name}"))
}

/// The longest that a shutdown takes with the default settings, by what `legwork config` prints: each phase's own limit and
/// what `src/app/shutdown.rs` adds to it.
fn shutdown_max(home: &Home) -> Duration {
    let said = home.run(&["config"], "");
    let millis = |setting: &str| -> u64 {
        let line = said
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix(&format!("shutdown.{setting} = ")));
        line.unwrap().split_whitespace().next().unwrap().parse().unwrap()
    };
    // http + 1 s, claiming, attempts, then 2 s of grace and 3 s to write ends, the lease, actors + 1 s, 3 s, the store.
    let added = 1_000 + 2_000 + 3_000 + 1_000 + 3_000;
    Duration::from_millis(millis("http_ms") + 3 * millis("store_ms") + millis("grace_ms") + millis("actors_ms") + added)
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_leaves_little_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("legwork.service");
    // The binary of this test in place of one that is not installed here.
    let unit = UNIT.replace("/usr/local/bin/legwork", env!("CARGO_BIN_EXE_legwork"));
    std::fs::write(&path, unit).unwrap();
    for arguments in [
        &["verify"][..],
        &["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE_MAX],
    ] {
        let Some(mut analyze) = required::program("systemd", "systemd-analyze") else {
            return;
        };
        let output = analyze.args(arguments).arg(&path).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{arguments:?}: {said}");
        // It warns about a name that it does not know, and takes the unit all the same.
        assert!(arguments[0] != "verify" || !said.contains("legwork.service:"), "{said}");
    }
}

#[test]
fn the_service_manager_and_the_container_wait_longer_than_a_shutdown_takes() {
    let longest = shutdown_max(&Home::new());
    let patience: u64 = of_unit("TimeoutStopSec").trim_end_matches('s').parse().unwrap();
    assert!(Duration::from_secs(patience) > longest, "{patience} s for {longest:?}");
    let (_, patience) = CONTAINERFILE.split_once("--stop-timeout ").unwrap();
    let patience: u64 = patience.split_whitespace().next().unwrap().parse().unwrap();
    assert!(Duration::from_secs(patience) > longest, "{patience} s for {longest:?}");
}

#[test]
fn a_start_that_brings_a_large_database_up_to_date_is_not_cut_off() {
    let patience = of_unit("TimeoutStartSec");
    let minutes: u64 = patience.trim_end_matches("min").parse().unwrap();
    assert!(minutes >= 10, "{patience}");
}

#[test]
fn the_settings_file_is_one_that_the_service_takes_and_fits_the_unit() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/legwork.toml");
    let said = Home::new().run(&["--config", file, "config"], "");
    assert!(said.status.success(), "{}", said.stderr);
    let folder = format!("data_dir = \"/var/lib/{}\"", of_unit("StateDirectory"));
    assert!(said.stdout.starts_with(&folder), "{}", said.stdout);
    // The lines that are comments are settings too.
    let text = std::fs::read_to_string(file).unwrap();
    let home = Home::new();
    let all: String = text
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| rest.contains(" = "))
                .unwrap_or(line)
        })
        .fold(String::new(), |all, line| all + line + "\n");
    std::fs::write(home.path().join("legwork.toml"), &all).unwrap();
    let said = home.run(&["config"], "");
    assert!(said.status.success(), "{}\n{all}", said.stderr);
}

#[test]
fn the_container_runs_as_a_user_of_its_own_and_its_build_is_given_all_that_cargo_reads() {
    let lines: Vec<&str> = CONTAINERFILE.lines().filter(|line| !line.starts_with('#')).collect();
    let (user, number) = (lines.iter().position(|line| line.starts_with("USER ")), "10001:10001");
    assert!(lines[user.unwrap()].ends_with(number));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = std::fs::read_to_string(root.join(".dockerignore")).unwrap();
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let targets = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"")?.split('/').next());
    for read in [".cargo", "Cargo.toml", "Cargo.lock", "migrations"]
        .into_iter()
        .chain(targets)
    {
        let is_let_through = ignored.lines().any(|line| line == format!("!{read}"));
        assert!(is_let_through, "cargo reads {read}, and .dockerignore keeps it out");
    }
    for wanted in [
        "VOLUME /data",
        "STOPSIGNAL SIGTERM",
        "podman build --format docker",
        "EXPOSE 8080",
        "\"health\"]",
        "LEGWORK_DATA_DIR=/data",
        "COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
    ] {
        assert!(CONTAINERFILE.contains(wanted), "{wanted}");
    }
}
