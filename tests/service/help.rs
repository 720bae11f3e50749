//! What the command line says of itself.

use crate::support::service::Home;

/// The commands that `help` lists, with those within them, such as `account create`.
fn commands(home: &Home, within: &str) -> Vec<String> {
    let arguments: Vec<&str> = ["help"].into_iter().chain(within.split_whitespace()).collect();
    let said = home.run(&arguments, "");
    assert!(said.status.success(), "{}", said.stderr);
    let Some((_, list)) = said.stdout.split_once("Commands:\n") else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for line in list.lines().take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().unwrap();
        if name == "help" || !line.starts_with("  ") || line.starts_with("   ") {
            continue;
        }
        let name = format!("{within} {name}").trim().to_owned();
        all.extend(commands(home, &name));
        all.push(name);
    }
    all
}

#[test]
fn every_command_has_a_help_with_an_example_of_it_and_stands_in_the_readme() {
    let home = Home::new();
    let commands = commands(&home, "");
    for known in [
        "serve",
        "migrate",
        "backup",
        "account create",
        "config",
        "health",
        "supervision show",
    ] {
        assert!(
            commands.iter().any(|command| command == known),
            "{known} in {commands:?}"
        );
    }
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    for command in commands {
        let arguments: Vec<&str> = ["help"].into_iter().chain(command.split_whitespace()).collect();
        let help = home.run(&arguments, "").stdout;
        let (_, examples) = help
            .split_once("Example")
            .unwrap_or_else(|| panic!("no example for {command}:\n{help}"));
        let is_shown = examples
            .lines()
            .any(|line| line.contains("legwork") && line.contains(&command));
        assert!(is_shown, "no example of {command}:\n{help}");
        assert!(
            readme.contains(&format!("legwork {command}")),
            "README.md does not mention legwork {command}"
        );
    }
}

#[test]
fn the_help_tells_of_environment_files_and_exit_codes_and_fits_a_terminal() {
    let said = Home::new().run(&["--help"], "");
    for part in [
        "Examples:",
        "Environment:",
        "Files:",
        "Exit codes:",
        "legwork.toml",
        "LEGWORK_",
    ] {
        assert!(said.stdout.contains(part), "{part} in\n{}", said.stdout);
    }
    for line in said.stdout.lines() {
        assert!(line.chars().count() <= 125, "{line}");
    }
}

#[test]
fn the_version_is_one_line_and_needs_no_settings() {
    let home = Home::new().with("LEGWORK_HTTP__WORKERS", "many");
    for argument in ["--version", "-V"] {
        let said = home.run(&[argument], "");
        assert!(said.status.success(), "{}", said.stderr);
        let expected = concat!("legwork ", env!("CARGO_PKG_VERSION"), " (");
        assert!(
            said.stdout.starts_with(expected) && said.stdout.lines().count() == 1,
            "{}",
            said.stdout
        );
    }
}

#[test]
fn a_wrong_command_line_is_met_with_a_hint() {
    let home = Home::new();
    for (arguments, hint) in [
        (["serv"].as_slice(), "'serve'"),
        (&["config", "--jsn"], "'--json'"),
        (&["account", "create"], "--email"),
        (&["health", "--at", "nowhere"], "--at"),
    ] {
        let said = home.run(arguments, "");
        assert_eq!(said.status.code(), Some(2), "{arguments:?}");
        assert!(said.stderr.contains(hint), "{arguments:?}: {}", said.stderr);
    }
}
