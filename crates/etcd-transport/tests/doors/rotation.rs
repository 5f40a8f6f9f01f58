//! Certificates, keys and authorities that are replaced while a member runs.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use etcd_transport::{Dialer, Tls};
use etcd_visitors::{Authority, Identity, rename_over};

use crate::certificates::{showing, trusting};
use crate::identity::{World, refused};
use crate::journal::Journal;
use crate::member::{Member, check_health, dialer, who};

/// A dialer without a certificate that trusts an authority.
fn trust(authority: &Authority) -> Dialer {
    dialer(Some(Tls { trusted_ca_file: Some(authority.file()), ..Tls::default() }))
}

#[tokio::test]
async fn a_server_certificate_that_was_replaced_is_shown_at_the_next_handshake() {
    let world = World::new();
    let shown = world.trusted.issue("shown", &["127.0.0.1"]);
    let member = Member::secure(showing(&shown));
    let url = member.url("https");
    let (old, new) = (trust(&world.trusted), trust(&world.strange));
    who(&old, &url).await.expect("the old certificate");
    who(&new, &url).await.expect_err("not the new one yet");
    shown.replace_with(&world.strange.issue("next", &["127.0.0.1"]));
    who(&new, &url).await.expect("the new certificate");
    who(&old, &url).await.expect_err("the old one no more");
    member.stop().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing_and_are_logged_once() {
    let mut journal = Journal::open();
    let world = World::new();
    let shown = world.trusted.issue("shown", &["127.0.0.1"]);
    let member = Member::secure(showing(&shown));
    let (client, url) = (trust(&world.trusted), member.url("https"));
    let next = world.trusted.issue("next", &["127.0.0.1"]);
    let kept = "still using what they held before";

    fs::copy(&next.key, &shown.key).expect("copied");
    for _ in 0..5 {
        who(&client, &url).await.expect("the pair from before");
    }
    let line = journal.line_with(&["WARN", kept, "does not match"]).await;
    assert!(line.contains("trusted-shown.pem"), "the files are named: {line}");
    fs::remove_file(&shown.certificate).expect("removed");
    for _ in 0..5 {
        who(&client, &url).await.expect("the pair from before");
    }
    journal.line_with(&["WARN", kept, "no such file"]).await;
    fs::copy(&next.certificate, &shown.certificate).expect("copied");
    for _ in 0..5 {
        who(&client, &url).await.expect("the new pair");
    }
    journal.line_with(&["INFO", "TLS files have changed; using them"]).await;
    member.stop().await;
    let more = journal.lines();
    assert!(!more.iter().any(|line| line.contains("TLS files")), "said once: {more:?}");
}

#[tokio::test]
async fn an_authority_that_was_replaced_decides_at_the_next_handshake() {
    let world = World::new();
    let file = world.directory.path().join("current.pem");
    fs::copy(world.trusted.file(), &file).expect("copied");
    let tls = Tls { trusted_ca_file: Some(file.clone()), ..world.server() };
    let member = Member::secure(tls);
    let url = member.url("https");
    let old = world.client(&world.trusted, "old");
    let new = world.client(&world.strange, "new");
    who(&old, &url).await.expect("of the first authority");
    refused(&new, &url).await;
    rename_over(&world.strange.file(), &file);
    who(&new, &url).await.expect("of the second authority");
    refused(&old, &url).await;
    fs::write(&file, "no certificate").expect("written");
    who(&new, &url).await.expect("the last good authority counts");
    refused(&old, &url).await;
    member.stop().await;
}

#[tokio::test]
async fn a_dialer_shows_and_trusts_what_its_files_hold_at_each_connection() {
    let world = World::new();
    let shown = world.trusted.issue("first", &[]);
    let file = world.directory.path().join("current.pem");
    fs::copy(world.trusted.file(), &file).expect("copied");
    let dialer = dialer(Some(Tls { trusted_ca_file: Some(file.clone()), ..showing(&shown) }));
    let member = Member::secure(world.server());
    let url = member.url("https");
    let answer = who(&dialer, &url).await.expect("let in");
    assert!(answer.ends_with("as Some(\"first\")"), "{answer}");
    shown.replace_with(&world.trusted.issue("second", &[]));
    let answer = who(&dialer, &url).await.expect("let in");
    assert!(answer.ends_with("as Some(\"second\")"), "{answer}");
    check_health(&dialer, std::slice::from_ref(&url)).await.expect("gRPC too");
    rename_over(&world.strange.file(), &file);
    let error = who(&dialer, &url).await.expect_err("the server is of the other authority");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    member.stop().await;
}

/// Replaces a certificate and its key the way tools do it, and the way bad tools do it.
fn rotate(shown: &Identity, next: &Identity, turn: usize) {
    match turn % 3 {
        0 => {
            rename_over(&next.certificate, &shown.certificate);
            rename_over(&next.key, &shown.key);
        }
        1 => {
            rename_over(&next.key, &shown.key);
            fs::write(&shown.certificate, "-----BEGIN CERTIFICATE-----").expect("written");
            rename_over(&next.certificate, &shown.certificate);
        }
        _ => shown.replace_with(next),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_replaced_under_load_fail_nobody() {
    let world = World::new();
    let shown = world.trusted.issue("shown", &["127.0.0.1"]);
    let member = Member::secure(trusting(&world.trusted, &shown));
    let url = member.url("https");
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|number| {
            let own = world.trusted.issue(&format!("caller{number}"), &[]);
            let dialer = dialer(Some(trusting(&world.trusted, &own)));
            let (stop, answered, url) = (stop.clone(), answered.clone(), url.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    who(&dialer, &url).await.expect("every connection is served");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for turn in 0..30 {
        let next = world.trusted.issue(&format!("next{turn}"), &["127.0.0.1"]);
        rotate(&shown, &next, turn);
        let enough = answered.load(Ordering::Relaxed) + 8;
        while answered.load(Ordering::Relaxed) < enough {
            assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller failed");
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("no request failed");
    }
    member.stop().await;
}
