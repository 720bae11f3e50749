//! Templates in files, checked on the command line.

use crate::support::service::Home;

#[test]
fn templates_in_files_are_checked_without_a_service() {
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let layout = write(
        "layout.json",
        r#"{"name":"l","subject":"x","html":"<div>{{ content }}</div>","sample":{}}"#,
    );
    let good = write(
        "good.json",
        r#"{"name":"a","subject":"Hi","html":"<p>{{ name }}</p>","layout":"l","sample":{"name":"Ada","unused":1}}"#,
    );
    let said = home.run(&["templates", "check", &layout, &good], "");
    assert!(said.status.success(), "{}", said.stderr);
    assert!(said.stdout.contains("layout.json: ok"), "{}", said.stdout);
    assert!(
        said.stdout.contains("good.json: warning: /sample/unused"),
        "{}",
        said.stdout
    );

    let bad = write(
        "bad.json",
        r#"{"name":"b","subject":"Hi","html":"<p>\n{{ name","sample":{}}"#,
    );
    let missing = write(
        "missing.json",
        r#"{"name":"c","subject":"Hi","html":"{{ name }}","sample":{}}"#,
    );
    let nothing = write("nothing.json", "{}");
    let said = home.run(&["templates", "check", &bad, &missing, &nothing, &good], "");
    assert_eq!(said.status.code(), Some(1), "{}", said.stdout);
    for told in [
        "bad.json: /html: ",
        "(line 2)",
        "missing.json: /sample/name: is missing",
        "nothing.json: is not what",
        "good.json: /layout: l is not among these files",
    ] {
        assert!(said.stderr.contains(told), "{told} in {}", said.stderr);
    }
}
