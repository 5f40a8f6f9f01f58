//! Requests over HTTP and their expected answers in a text file.
//!
//! ```text
//! % --a-flag=of-the-member
//!
//! # What comes next is explained here.
//! $ POST /v3/kv/range
//! : some-header: its value
//! < {"key":"YQ=="}
//! ----
//! 200
//! content-type: application/json
//! {"header":{"cluster_id":"…"}}
//! ```
//!
//! More may stand before the answer:
//!
//! ```text
//! <x ff00                     a body in hexadecimal, when it is no text
//! ! 2                         two lines of the answer are awaited, and no more
//! & /v3/kv/put {"key":"YQ"}   is posted when the next line has come
//! = lease /ID                 what is there in the answer is `$lease` from now on
//! ```
//!
//! Answers are compared as JSON, since etcd varies the blanks in it; what differs from run to run
//! is a star, by [`VARYING`].

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::transcript::Transcript;
use crate::{Member, web};

/// Longer than anything that is answered takes.
const LIMIT: Duration = Duration::from_secs(10);

/// What no two runs have in common: the end of a path, and the name of a member of its answer.
const VARYING: &[(&str, &str)] = &[
    ("", "raft_term"),
    ("/status", "raftTerm"),
    ("/status", "raftIndex"),
    ("/status", "raftAppliedIndex"),
    ("/status", "dbSize"),
    ("/status", "dbSizeInUse"),
    ("/maintenance/hash", "hash"),
    ("/snapshot", "blob"),
    ("/snapshot", "remaining_bytes"),
    ("/timetolive", "TTL"),
];

/// Lists that etcd makes in any order.
const UNORDERED: &[(&str, &str)] = &[("/timetolive", "keys")];

/// What etcd says in one way or the other: by the build of Go's library, and by which end of its
/// own connection sees first that the time is over.
const SAME: &[(&str, &str)] = &[
    ("proto:\u{a0}", "proto: "),
    ("stream terminated by RST_STREAM with error code: CANCEL", "context deadline exceeded"),
];

/// The headers that are shown, by how they begin.
const SHOWN: &[&str] = &[
    "allow",
    "content-type",
    "grpc-metadata-",
    "grpc-trailer-",
    "location",
    "sec-websocket-version",
    "trailer",
    "www-authenticate",
    "x-content-type-options",
];

/// What a request is.
#[derive(Debug, Default)]
struct Call {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// How many lines are awaited.
    lines: Option<usize>,
    /// What is posted meanwhile: paths and bodies.
    others: Vec<(String, String)>,
    /// Names, and where in the answer that is which they stand for.
    names: Vec<(String, String)>,
}

/// A member to ask, and what has a name in its answers.
struct Session {
    runtime: Runtime,
    url: String,
    names: Vec<(String, String)>,
}

/// Runs a script against a member of its own and holds the answers against it, or records them from
/// a real etcd with `UPDATE_SCRIPTS` set.
///
/// # Panics
///
/// When an answer differs, or the file is no script.
#[track_caller]
pub fn check(file: &Path) {
    let mut transcript = Transcript::read(file);
    let home = TempDir::with_prefix("etcd-test-").expect("a temporary folder");
    let member = start(home.path(), &transcript.flags);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let mut session = Session {
        runtime: runtime.expect("a runtime"),
        url: member.client_url.clone(),
        names: Vec::new(),
    };
    transcript.compare(|head| session.run(&read_head(head)));
    // Its log says nothing about a wrong answer.
    drop(member);
    transcript.settle();
}

/// A member whose ids are always the same, wherever it listens.
fn start(home: &Path, flags: &[String]) -> Member {
    let mut member = Member::alone(home);
    let peer_url = "http://127.0.0.1:2380";
    member.set_flag("--initial-advertise-peer-urls", peer_url);
    member.set_flag("--initial-cluster", &format!("alone={peer_url}"));
    member.set_flag("--advertise-client-urls", "http://127.0.0.1:2379");
    member.arguments.extend(flags.iter().cloned());
    member.start();
    member.wait_until_ready();
    let version = format!("{}/version", member.client_url);
    crate::cluster::eventually(Duration::from_secs(15), "the storage's version", || {
        let answer = web::ask("GET", &version, &[])?;
        answer.body.contains("\"storage\":\"3.7.0\"").then_some(())
    });
    member
}

impl Session {
    /// Sends a request; the answer as a script writes it.
    fn run(&mut self, call: &Call) -> String {
        let body = match std::str::from_utf8(&call.body) {
            Ok(text) => self.write_in(text).into_bytes(),
            Err(_) => call.body.clone(),
        };
        let mut request = Request::builder();
        request = request.method(&*call.method).uri(format!("{}{}", self.url, call.path));
        for (name, value) in &call.headers {
            request = request.header(name, self.write_in(value));
        }
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        let others: Vec<_> = call.others.iter().map(|(p, b)| (p, self.write_in(b))).collect();
        let answered = self.runtime.block_on(async {
            timeout(LIMIT, exchange(&self.url, request, call.lines, &others)).await
        });
        let Ok(answered) = answered else { return "no answer\n".to_owned() };
        let (status, headers, body) = match answered {
            Ok(answer) => answer,
            Err(error) => return format!("no answer: {error}\n"),
        };
        let mut shown = format!("{status}\n");
        let mut headers: Vec<_> = headers.iter().filter(|(name, _)| is_shown(name)).collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in headers {
            let _ = writeln!(shown, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
        for line in String::from_utf8_lossy(&body).lines() {
            shown.push_str(&self.show(call, line));
            shown.push('\n');
        }
        shown
    }

    fn show(&mut self, call: &Call, line: &str) -> String {
        let Ok(mut json) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
        for (name, place) in &call.names {
            if let Some(value) = json.pointer(place) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.names.push((name.clone(), value));
            }
        }
        mask(&call.path, &mut json);
        let mut text = json.to_string();
        for (name, value) in &self.names {
            text = text.replace(&format!("\"{value}\""), &format!("\"${name}\""));
        }
        SAME.iter().fold(text, |text, (one, other)| text.replace(one, other))
    }

    /// What a script says with values for names.
    fn write_in(&self, text: &str) -> String {
        let write = |text: String, (name, value): &(String, String)| {
            text.replace(&format!("${name}"), value)
        };
        self.names.iter().fold(text.to_owned(), write)
    }
}

/// The status, the headers and the body; of that no more than is awaited.
async fn exchange(
    url: &str,
    request: Request<Full<Bytes>>,
    lines: Option<usize>,
    others: &[(&String, String)],
) -> Result<(u16, HeaderMap, Vec<u8>), String> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let sent = client.request(request).await;
    let (head, mut body) = sent.map_err(|error| error.to_string())?.into_parts();
    let mut read = Vec::new();
    let mut others = others.iter();
    loop {
        let complete = read.iter().filter(|byte| **byte == b'\n').count();
        if lines.is_some_and(|lines| complete >= lines) {
            break;
        }
        if complete > 0
            && let Some((path, body)) = others.next()
        {
            let other = Full::new(Bytes::from(body.clone()));
            let other = Request::post(format!("{url}{path}")).body(other);
            let client = Client::builder(TokioExecutor::new()).build_http();
            let answer = client.request(other.expect("a request")).await;
            let answer: http::Response<Incoming> = answer.map_err(|error| error.to_string())?;
            assert!(answer.status().is_success(), "{path} {body}");
            continue;
        }
        match body.frame().await {
            None => break,
            Some(frame) => {
                let frame = frame.map_err(|error| error.to_string())?;
                read.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            }
        }
    }
    Ok((head.status.as_u16(), head.headers, read))
}

fn is_shown(name: &http::HeaderName) -> bool {
    SHOWN.iter().any(|shown| name.as_str().starts_with(shown))
}

/// Puts stars for what varies, and in order what has none. What is negative says something.
fn mask(path: &str, json: &mut Value) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                let is_in = |list: &[(&str, &str)]| {
                    list.iter().any(|(end, key)| path.ends_with(end) && name == key)
                };
                let varies = is_in(VARYING);
                match value {
                    Value::Array(values) if is_in(UNORDERED) => {
                        values.sort_by_key(ToString::to_string);
                    }
                    Value::String(text) if varies && !text.starts_with('-') => {
                        "*".clone_into(text);
                    }
                    Value::Number(_) if varies => *value = Value::from("*"),
                    _ => mask(path, value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mask(path, value)),
        _ => {}
    }
}

fn read_head(head: &[String]) -> Call {
    let mut call = Call::default();
    for line in head {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let pair = || {
            let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
            (first.to_owned(), second.to_owned())
        };
        match mark {
            "#" => {}
            "$" => (call.method, call.path) = pair(),
            ":" => {
                let (name, value) = rest.split_once(": ").unwrap_or((rest, ""));
                call.headers.push((name.to_owned(), value.to_owned()));
            }
            "<" => {
                if !call.body.is_empty() {
                    call.body.push(b'\n');
                }
                call.body.extend_from_slice(rest.as_bytes());
            }
            "<x" => call.body.extend(unhex(rest)),
            "!" => call.lines = Some(rest.parse().expect("a number of lines")),
            "&" => call.others.push(pair()),
            "=" => call.names.push(pair()),
            _ => panic!("what is this: {line}"),
        }
    }
    assert!(call.path.starts_with('/'), "no request before an answer: {head:?}");
    call
}

fn unhex(digits: &str) -> Vec<u8> {
    let digits = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("two digits")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Call {
        read_head(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_request_may_have_much_before_its_answer() {
        let call = read("# why\n$ POST /v3/x\n: a: b\n< {}\n! 2\n= id /ID");
        assert_eq!((&*call.method, &*call.path, call.lines), ("POST", "/v3/x", Some(2)));
        assert_eq!(
            (call.headers, call.body),
            (vec![("a".to_owned(), "b".to_owned())], b"{}".into())
        );
        assert_eq!(call.names, [("id".to_owned(), "/ID".to_owned())]);
        let call = read("$ GET /v3/y\n<x ff00\n& /v3/z {\"a\": 1}");
        assert_eq!(call.body, [0xff, 0]);
        assert_eq!(call.others, [("/v3/z".to_owned(), "{\"a\": 1}".to_owned())]);
    }

    #[test]
    fn what_varies_is_a_star() {
        let masked = |path, json: &str| {
            let mut json = serde_json::from_str(json).expect("JSON");
            mask(path, &mut json);
            json.to_string()
        };
        let json = "{\"header\":{\"raft_term\":\"2\"},\"TTL\":\"9\",\"x\":[{\"TTL\":\"-1\"}]}";
        let expected = "{\"header\":{\"raft_term\":\"*\"},\"TTL\":\"*\",\"x\":[{\"TTL\":\"-1\"}]}";
        assert_eq!(masked("/v3/lease/timetolive", json), expected);
        let expected = json.replace("\"2\"", "\"*\"");
        assert_eq!(masked("/v3/lease/grant", json), expected);
    }
}
