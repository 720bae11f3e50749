//! `kill -9` in the middle of accepted mails: every one is delivered after a restart.

use std::collections::HashMap;

use serde_json::json;

use crate::support::relay::{Relay, Step};
use crate::support::service::{Home, PATIENCE, breathe};

const MAILS: usize = 2_000;
/// The most mails under way with 16 connections. A connection is free before the end of its mail is on disk, so that more may
/// come twice than there are connections.
const SLOTS: usize = 256;
/// Mails that are accepted at once.
const CALLERS: usize = 32;

#[tokio::test]
async fn killed_in_the_middle_of_two_thousand_mails_every_one_arrives_after_a_restart() {
    let relay = Relay::start();
    // Held until all are accepted, so that the kill falls among mails that are all promised.
    let hold = relay.at(Step::Mail).hold();
    let home = Home::new().with("LEGWORK_MAIL__URL", relay.url());
    let key = home.operator();
    let service = home.serve();

    let next = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let callers = (0..CALLERS).map(|_| {
        let (http, url, key, next) = (
            service.http.clone(),
            service.url("/v1/emails"),
            key.clone(),
            next.clone(),
        );
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                if number >= MAILS {
                    return accepted;
                }
                let mail = json!({ "to": format!("r{number}@example.com"), "subject": "Hello", "text": "..." });
                let answer = http.post(&url).bearer_auth(&key).json(&mail).send().await.unwrap();
                assert_eq!(answer.status().as_u16(), 202);
                let job: serde_json::Value = answer.json().await.unwrap();
                accepted.push(job["id"].as_str().unwrap().to_owned());
            }
        })
    });
    let mut accepted = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        accepted.extend(caller.await.unwrap());
    }
    assert_eq!(accepted.len(), MAILS);
    hold.release();
    relay.wait_for(MAILS / 3).await;
    service.kill_9();
    let before = relay.taken().len();

    let service = home.serve();
    let deadline = std::time::Instant::now() + PATIENCE;
    let by_id = loop {
        let mut by_id: HashMap<String, usize> = HashMap::new();
        for mail in relay.taken() {
            *by_id.entry(mail.message_id).or_default() += 1;
        }
        if by_id.len() >= MAILS {
            break by_id;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{} of {MAILS} arrived",
            by_id.len()
        );
        breathe().await;
    };
    for id in &accepted {
        let job = service.job_when(&key, id, |job| job["state"] == "completed").await;
        let copies = by_id.iter().find(|(message, _)| message.contains(id.as_str()));
        let (_, copies) = copies.unwrap_or_else(|| panic!("{id} was lost"));
        let outcomes = job["attempts"].as_array().unwrap().iter().map(|one| &one["outcome"]);
        assert!(
            *copies == 1 || outcomes.clone().any(|outcome| outcome == "lost"),
            "{id} came twice, and no attempt of it was cut off"
        );
    }
    let doubled = by_id.values().filter(|count| **count > 1).count();
    println!(
        "killed after {before} of {MAILS} mails; lost 0; sent twice, killed between the dot and the commit: {doubled}"
    );
    assert!(
        doubled <= SLOTS,
        "only mails whose end was not on disk at the kill may come twice, not {doubled}"
    );
    assert!(before < MAILS, "the kill came too late to prove anything");
}

#[tokio::test]
async fn a_job_that_ran_at_the_kill_runs_again_and_shows_the_lost_attempt() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let id = service.probe(&key, &json!({ "steps": 3, "step_ms": 400 })).await;
    service.job_when(&key, &id, |job| job["state"] == "running").await;
    service.kill_9();
    let service = home.serve();
    let done = service.job_when(&key, &id, |job| job["state"] == "completed").await;
    let outcomes: Vec<&str> = done["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["lost", "completed"], "{done}");
    assert_eq!(done["attempt"], 1, "the lost attempt is given back: {done}");
    service.log_line(|line| line["event"] == "job_rescued");
}

#[tokio::test]
async fn a_request_that_is_repeated_with_its_key_after_a_kill_has_one_effect() {
    let home = Home::new();
    let key = home.operator();
    let mut service = home.serve();
    let mut jobs = HashMap::new();
    for round in 0..3 {
        // Killed while some are answered, some committed and not answered, and some not there yet.
        let post = |number: usize| {
            let request = service.http.post(service.url("/v1/probes")).bearer_auth(&key);
            let request = request.header("Idempotency-Key", format!("{round}/{number}"));
            tokio::spawn(request.json(&json!({ "steps": 0 })).send())
        };
        let posts: Vec<_> = (0..200).map(post).collect();
        let mut answered = 0;
        for (number, post) in posts.into_iter().enumerate() {
            if number == 60 {
                service.kill_9();
                service = home.serve();
            }
            if let Ok(answer) = post.await.unwrap()
                && let Ok(job) = answer.json::<serde_json::Value>().await
            {
                answered += 1;
                jobs.insert((round, number), job["id"].as_str().unwrap().to_owned());
            }
        }
        assert!(answered >= 60, "{answered}");
        for number in 0..200 {
            let request = service.http.post(service.url("/v1/probes")).bearer_auth(&key);
            let request = request.header("Idempotency-Key", format!("{round}/{number}"));
            let answer = request.json(&json!({ "steps": 0 })).send().await.unwrap();
            let is_replayed = answer.headers().contains_key("idempotent-replayed");
            let job: serde_json::Value = answer.json().await.unwrap();
            let id = job["id"].as_str().unwrap().to_owned();
            let first = jobs.entry((round, number)).or_insert_with(|| id.clone());
            assert_eq!(*first, id, "the key of {round}/{number} made two jobs");
            assert!(
                is_replayed || number >= 60,
                "{round}/{number} was answered and forgotten"
            );
        }
    }
}

#[tokio::test]
async fn a_mail_that_must_not_come_twice_is_held_as_uncertain_when_the_kill_fell_after_the_dot() {
    let relay = Relay::start();
    let hold = relay.at(Step::Dot).hold();
    let home = Home::new().with("LEGWORK_MAIL__URL", relay.url());
    let key = home.operator();
    let service = home.serve();
    let mail = json!({ "to": "r@example.com", "subject": "Invoice", "text": "...", "on_uncertain": "hold" });
    let (status, job) = service.post(&key, "/v1/emails", &mail).await;
    assert_eq!(status, 202, "{job}");
    hold.reached(1).await;
    service.kill_9();
    let service = home.serve();
    let id = job["id"].as_str().unwrap();
    let held = service.job_when(&key, id, |job| job["finished_at"].is_string()).await;
    assert_eq!(held["state"], "uncertain", "{held}");
    hold.release();
}
