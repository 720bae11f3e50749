//! Durable accepts per second, `POST /v1/emails` with an API key and the queue paused, against a goroutine that keeps nothing.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use crate::database;
use crate::machine;
use crate::round::{MAIL, Round, load, median};
use crate::server::{Server, free_port};

const ROUNDS: usize = 3;
const SECONDS: u32 = 10;

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        // A failure means that it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("goroutine");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/yardsticks/goroutine.go");
    let built = machine::command("go")
        .args(["build", "-o"])
        .arg(&binary)
        .arg(source)
        .status()
        .unwrap();
    assert!(built.success(), "the yardstick could not be built");
    for connections in [64, 256] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let home = tempfile::tempdir().unwrap();
            let server = Server::start(home.path(), &[]);
            server.pause("mail");
            let round = load(
                &format!("{}/v1/emails", server.base),
                &server.key,
                MAIL,
                connections,
                SECONDS,
            );
            println!("{}", line("legwork", connections, round));
            let kept = database::count(home.path(), "SELECT count(*) FROM jobs");
            let answered = round.per_second * f64::from(SECONDS);
            assert!(kept as f64 > answered * 0.99, "{kept} rows for {answered} answers");
            ours.push(round);
            drop(server);

            let bind = format!("127.0.0.1:{}", free_port());
            let _peer = Peer(Command::new(&binary).arg(&bind).spawn().unwrap());
            std::thread::sleep(Duration::from_millis(300));
            let round = load(&format!("http://{bind}/accept"), "none", MAIL, connections, SECONDS);
            println!("{}", line("goroutine", connections, round));
            theirs.push(round);
        }
        let rates = [&ours, &theirs].map(|rounds| median(rounds, |round| round.per_second));
        let tails = [&ours, &theirs].map(|rounds| median(rounds, |round| round.p99_ms));
        println!(
            "{connections} connections: {:.0}/s durable, {:.0}/s kept nowhere, ratio {:.2}; p99 {:.1} and {:.1} ms, ratio {:.2}",
            rates[0],
            rates[1],
            rates[0] / rates[1],
            tails[0],
            tails[1],
            tails[0] / tails[1]
        );
    }
}

fn line(who: &str, connections: u32, round: Round) -> String {
    format!(
        "{who:>9}, {connections} connections: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {} failed",
        round.per_second, round.p50_ms, round.p99_ms, round.failed
    )
}
