//! How members are reached, lost and reached again.

use std::net::TcpListener;

use etcd_transport::Error;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::member::{Member, PATIENCE, dialer, listen, who};

/// An address where nobody listens.
fn vacant() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[tokio::test]
async fn a_channel_connects_again_when_the_member_is_back() {
    let member = Member::client_door(listen(&["http://127.0.0.1:0"], None));
    let url = member.url("http");
    let channel = dialer(None).channel(&[&url]).expect("a good URL");
    let mut client = HealthClient::new(channel);
    client.check(HealthCheckRequest::default()).await.expect("the first connection");
    member.stop().await;

    let lost = client.check(HealthCheckRequest::default()).await.expect_err("nobody listens");
    assert_eq!(lost.code(), Code::Unavailable, "{lost:?}");

    let back = Member::client_door(listen(&[&url], None));
    client.check(HealthCheckRequest::default()).await.expect("the second connection");
    back.stop().await;
}

#[tokio::test]
async fn a_channel_takes_the_first_url_that_answers() {
    let member = Member::client_door(listen(&["http://127.0.0.1:0"], None));
    let urls = [vacant(), "unix:///nowhere/at/all".to_owned(), member.url("http")];
    let mut client = HealthClient::new(dialer(None).channel(&urls).expect("good URLs"));
    client.check(HealthCheckRequest::default()).await.expect("the third URL");
    member.stop().await;
}

#[tokio::test]
async fn a_member_that_cannot_be_reached_is_named_with_the_reason() {
    let urls = [vacant(), "unix:///nowhere/at/all".to_owned()];
    let expected = format!("cannot reach {}: connection refused", urls[0]);
    let error = who(&dialer(None), &urls[0]).await.expect_err("nobody listens");
    assert_eq!(error.to_string(), expected);

    let mut client = HealthClient::new(dialer(None).channel(&urls).expect("good URLs"));
    let status = client.check(HealthCheckRequest::default()).await.expect_err("nobody listens");
    assert_eq!(status.code(), Code::Unavailable);
    let both = format!("{expected}; cannot reach {}: no such file or directory", urls[1]);
    assert!(status.message().contains(&both), "{status:?}");
}

#[tokio::test]
async fn urls_that_cannot_be_dialled_are_refused_at_once() {
    let dialer = dialer(None);
    let refused = |urls: &[&str]| dialer.channel(urls).expect_err("refused").to_string();
    assert_eq!(refused(&[]), "a member without URLs cannot be reached");
    assert_eq!(refused(&["https://a:1"]), "https://a:1 needs TLS, but no TLS files are given");
    assert_eq!(refused(&["http://a:1/b"]), "URL must not contain a path: http://a:1/b");
}

#[tokio::test]
async fn a_get_that_is_not_answered_ends_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let limit = std::time::Duration::from_millis(50);
    let error = dialer(None).get(&url, "/members", limit).await.expect_err("no answer");
    assert!(matches!(error, Error::Exchange { .. }));
    assert_eq!(error.to_string(), format!("GET {url}/members: no answer within 50ms"));
}

#[tokio::test]
async fn a_get_gives_any_status_as_an_answer() {
    let member = Member::client_door(listen(&["http://127.0.0.1:0"], None));
    let answer =
        dialer(None).get(&member.url("http"), "/nowhere", PATIENCE).await.expect("an answer");
    let status = answer.status();
    assert_eq!(status, http::StatusCode::NOT_FOUND);
    member.stop().await;
}
