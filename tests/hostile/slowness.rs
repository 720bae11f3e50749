//! Clients that are slow on purpose, to keep others out.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use super::people::{account, log_in, unlimited};
use super::wire::{connect, is_well, read_to_end};
use crate::support::service::PATIENCE;

/// So many connections at a time that are slow.
const SLOW: usize = 200;

/// How often each of them sends a byte, far more often than any limit on a pause would be.
const DRIP: Duration = Duration::from_millis(100);

/// What a good client waits for at the most: far beyond what it takes on a loaded machine, and below the limits that end the
/// slow ones, so that waiting for those would be noticed.
const SOON: Duration = Duration::from_secs(3);

/// The limits that end the slow ones, in milliseconds.
const HEAD_MS: u64 = 6_000;
const REQUEST_MS: u64 = 7_000;

/// The beginnings of requests, of which the rest comes drop by drop: a head, a body, a body in chunks.
const BEGINNINGS: [&str; 4] = [
    "",
    "GET /v1/sessions/current HTTP/1.1\r\nHost: legwork\r\nX-A: ",
    "POST /v1/sessions HTTP/1.1\r\nHost: legwork\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{",
    "POST /v1/accounts HTTP/1.1\r\nHost: legwork\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n{",
];

#[tokio::test]
async fn two_hundred_clients_that_send_drop_by_drop_keep_nobody_waiting_and_are_cut_off() {
    let home = unlimited()
        .with("LEGWORK_HTTP__HEADER_TIMEOUT_MS", HEAD_MS.to_string())
        .with("LEGWORK_HTTP__REQUEST_TIMEOUT_MS", REQUEST_MS.to_string());
    account(&home, "ada@example.com");
    let service = home.serve();
    let login = log_in(&service, "ada@example.com").await;
    let mut slow = JoinSet::new();
    for number in 0..SLOW {
        let mut stream = connect(&service).await;
        slow.spawn(async move {
            let began = Instant::now();
            let (mut reading, mut writing) = stream.split();
            let dripping = async {
                let mut alive = writing
                    .write_all(BEGINNINGS[number % BEGINNINGS.len()].as_bytes())
                    .await;
                while alive.is_ok() {
                    tokio::time::sleep(DRIP).await;
                    alive = writing.write_all(b"a").await;
                }
            };
            let said = tokio::select! {
                said = read_to_end(&mut reading) => said.unwrap(),
                () = dripping => read_to_end(&mut reading).await.unwrap(),
            };
            (said.status(), began.elapsed())
        });
    }
    // While all of them drip: the limits have not come yet.
    let began = Instant::now();
    let mut asked = 0;
    while began.elapsed() < Duration::from_millis(HEAD_MS / 2) {
        is_well(&service, SOON).await;
        let current = service.get(&login, "/v1/sessions/current");
        let (status, _) = tokio::time::timeout(SOON, current).await.expect("in time");
        assert_eq!(status, 200);
        asked += 1;
    }
    assert!(asked >= 3, "{asked} rounds");
    assert_eq!(
        slow.try_join_next().map(Result::unwrap),
        None,
        "all of them are still there"
    );
    while let Some(ended) = slow.join_next().await {
        let (status, after) = ended.unwrap();
        assert!(matches!(status, 0 | 400 | 408), "{status}");
        assert!(after < PATIENCE, "{after:?}");
    }
    is_well(&service, SOON).await;
}

#[tokio::test]
async fn clients_that_ask_for_much_and_read_nothing_keep_nobody_waiting() {
    let home = unlimited();
    let service = home.serve();
    let mut deaf = Vec::new();
    for _ in 0..SLOW / 4 {
        let mut stream = connect(&service).await;
        let asked = "GET /openapi.json HTTP/1.1\r\nHost: legwork\r\n\r\n".repeat(64);
        // What does not fit waits in vain, which is no matter of ours.
        let _in_part = tokio::time::timeout(DRIP, stream.write_all(asked.as_bytes())).await;
        deaf.push(stream);
    }
    for _ in 0..20 {
        is_well(&service, SOON).await;
    }
    drop(deaf);
}
