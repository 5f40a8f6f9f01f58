//! The JSON values of a request's body, one after the other, as they arrive.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use etcd_nesting::with_room;
use http_body_util::BodyExt;
use prost_reflect::MessageDescriptor;

use crate::scanner::{Scanner, Verdict};
use crate::transcription::transcribe;

/// How long one value may be, in bytes: far longer than any message that a member takes, for blanks
/// and what nobody knows may be in it.
const VALUE_LIMIT: usize = 256 << 20;

/// Reads a body.
pub(crate) struct Values {
    body: Body,
    arrived: BytesMut,
    has_ended: bool,
}

/// One value of good syntax.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Value {
    json: Bytes,
    depth: usize,
}

impl Value {
    /// The protobuf message that it says.
    pub(crate) fn transcribe(&self, message: &MessageDescriptor) -> Result<Bytes, String> {
        let json = self.json.trim_ascii_start();
        with_room(self.depth, || transcribe(message, json)).map(Bytes::from)
    }
}

impl Values {
    pub(crate) fn new(body: Body) -> Values {
        Values { body, arrived: BytesMut::new(), has_ended: false }
    }

    /// The next value; none at the end. The error is in Go's words.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, String> {
        let mut scanner = Scanner::new();
        let mut scanned = 0;
        loop {
            while let Some(byte) = self.arrived.get(scanned) {
                let length = match scanner.step(*byte)? {
                    Verdict::Inside => {
                        scanned += 1;
                        continue;
                    }
                    Verdict::Last => scanned + 1,
                    Verdict::Ended => scanned,
                };
                return Ok(Some(self.take(length, &scanner)));
            }
            if self.has_ended {
                return match self.arrived.trim_ascii().is_empty() {
                    true => Ok(None),
                    false if scanner.may_end() => Ok(Some(self.take(scanned, &scanner))),
                    false => Err("unexpected EOF".to_owned()),
                };
            }
            if scanned > VALUE_LIMIT {
                return Err("http: request body too large".to_owned());
            }
            self.read().await?;
        }
    }

    fn take(&mut self, length: usize, scanner: &Scanner) -> Value {
        Value { json: self.arrived.split_to(length).freeze(), depth: scanner.depth() }
    }

    async fn read(&mut self) -> Result<(), String> {
        match self.body.frame().await {
            None => self.has_ended = true,
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                match self.arrived.is_empty() {
                    // Most bodies come in one piece.
                    true => self.arrived = BytesMut::from(data),
                    false => self.arrived.extend_from_slice(&data),
                }
            }
            Some(Err(error)) => return Err(error.to_string()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// The values of a body that comes in pieces of one size, and the complaint at its end.
    async fn read(body: &'static str, size: usize) -> (Vec<String>, Result<(), String>) {
        let pieces = body.as_bytes().chunks(size).map(|piece| Ok::<_, Infallible>(piece.to_vec()));
        let mut values = Values::new(Body::from_stream(futures_util::stream::iter(pieces)));
        let mut read = Vec::new();
        loop {
            match values.next().await {
                Ok(Some(value)) => {
                    let json = value.json.trim_ascii_start();
                    read.push(String::from_utf8(json.to_vec()).expect("UTF-8"));
                }
                Ok(None) => return (read, Ok(())),
                Err(complaint) => return (read, Err(complaint)),
            }
        }
    }

    async fn check(body: &'static str, values: &[&str], end: Result<(), &str>) {
        for size in 1..=body.len().max(1) {
            let (read, ended) = read(body, size).await;
            assert_eq!(read, values, "{body}");
            assert_eq!(ended, end.map_err(str::to_owned), "{body}");
        }
    }

    #[tokio::test]
    async fn values_are_found_whatever_the_pieces() {
        check("", &[], Ok(())).await;
        check(" \r\n\t", &[], Ok(())).await;
        check("{\"a\":1}", &["{\"a\":1}"], Ok(())).await;
        check(" {}\n{ } [1] \"x\"7 8", &["{}", "{ }", "[1]", "\"x\"", "7", "8"], Ok(())).await;
        check("{}{\"a\":", &["{}"], Err("unexpected EOF")).await;
        let complaint = "invalid character 'x' looking for beginning of value";
        check("{} x", &["{}"], Err(complaint)).await;
    }
}
