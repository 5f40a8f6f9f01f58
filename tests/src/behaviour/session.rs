//! What a script asks for, step by step, of one member.
//!
//! ```text
//! metadata hasleader=true            for the calls after it, in its block
//! put k{1..20} v{1..20}              twenty puts; failures are shown, and the last answer
//! alarm deactivate nospace member=$member    the id of the member that is asked
//! raw KV/Range "\n\x01a"             a message of any bytes
//! raw /v3lockpb.Lock/Lock "\n\x01l"  the same for a service of another package
//! watch s create a..z start=5 progress_notify filter=noput prev_kv id=7 fragment
//! watch s cancel 7
//! watch s progress
//! watch s raw "…"
//! watch s half-close
//! watch s expect 3                   shows the next three responses
//! watch s gather 3                   shows the next three events, whatever their responses
//! watch s end                        shows how the server ends the stream
//! watch s drop                       the client goes away
//! ```
//!
//! A stream opens at the first `watch` with its name. [`Request`] has the others.

use super::connection::{Connection, Metadata};
use super::expand::expand;
use super::literal::{FILTERS, number_of, read_bytes, read_range};
use super::parse::Words;
use super::request::Request;
use super::responses::show_call;
use super::stream::Stream;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use etcd_proto::etcdserverpb as pb;
use pb::watch_request::RequestUnion;
use prost::Message as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio::runtime::{Builder, Runtime};

/// Steps of one script against one member.
pub struct Session {
    connection: Connection,
    metadata: Metadata,
    /// Invariant: dropped before the runtime, in which they run.
    streams: BTreeMap<String, Stream>,
    runtime: Runtime,
}

impl Session {
    /// A session with the member at `url`.
    ///
    /// # Panics
    ///
    /// When `url` is none, or there are no threads left.
    pub fn new(url: &str) -> Session {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let guard = runtime.enter();
        let connection = Connection::new(url);
        drop(guard);
        Session { connection, metadata: Vec::new(), streams: BTreeMap::new(), runtime }
    }

    /// Begins a block: there is no metadata.
    pub fn begin_block(&mut self) {
        self.metadata.clear();
    }

    /// Takes a step and returns what it shows.
    ///
    /// # Errors
    ///
    /// When it is not understood, or a stream does not do what is expected; what comes after it in
    /// the script makes no sense then.
    pub fn step(&mut self, text: &str) -> Result<String> {
        let is_one_line = !text.trim_end().contains('\n');
        if is_one_line {
            let lines = expand(&self.with_member(text)?)?;
            if let [line] = &lines[..] {
                return self.line(line);
            }
            return self.many(&lines);
        }
        let lines: Vec<String> =
            text.lines().map(expand).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        self.request(&lines.join("\n").parse()?)
    }

    /// The text with the member's id for `$member`.
    fn with_member(&self, text: &str) -> Result<String> {
        if !text.contains("$member") {
            return Ok(text.to_owned());
        }
        let call = self.connection.call(Request::Status.method(), Bytes::new(), &self.metadata);
        let (messages, _) = self.runtime.block_on(call);
        let status = messages.into_iter().next().context("no status of the member")?;
        let header = pb::StatusResponse::decode(status)?.header.context("no header")?;
        Ok(text.replace("$member", &header.member_id.to_string()))
    }

    fn line(&mut self, line: &str) -> Result<String> {
        let mut words = Words::of(line);
        match words.next()? {
            "metadata" => {
                let (name, value) = words.next()?.split_once('=').context("no name=value")?;
                self.metadata.push((name.to_owned(), read_bytes(value)?));
                words.end()?;
                Ok(String::new())
            }
            "raw" => {
                let (method, message) = (words.next()?, read_bytes(words.next()?)?);
                words.end()?;
                self.call(method, message)
            }
            "watch" => self.watch(&mut words).with_context(|| format!("in: {line}")),
            _ => self.request(&line.parse()?),
        }
    }

    /// The steps of one line that stands for many.
    fn many(&mut self, lines: &[String]) -> Result<String> {
        let mut text = String::new();
        let mut last = String::new();
        for line in lines {
            last = self.line(line)?;
            // Only answers that have a header begin so.
            if !last.is_empty() && !last.starts_with("rev=") {
                let _ = write!(text, "{line}: {last}");
            }
        }
        if last.starts_with("rev=") {
            let _ = write!(text, "{} answers, the last:\n{last}", lines.len());
        }
        Ok(text)
    }

    fn request(&self, request: &Request) -> Result<String> {
        self.call(request.method(), request.encode().into())
    }

    fn call(&self, method: &str, message: Bytes) -> Result<String> {
        let call = self.connection.call(method, message, &self.metadata);
        let (messages, failure) = self.runtime.block_on(call);
        show_call(method, &messages, failure.as_ref())
    }

    fn watch(&mut self, words: &mut Words<'_>) -> Result<String> {
        let name = words.next()?;
        let action = words.next()?;
        let guard = self.runtime.enter();
        let open = || Stream::open(&self.connection, &self.metadata);
        let stream = self.streams.entry(name.to_owned()).or_insert_with(open);
        drop(guard);
        let union = match action {
            "create" => RequestUnion::CreateRequest(create(words)?),
            "cancel" => {
                RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: words.number()? })
            }
            "progress" => RequestUnion::ProgressRequest(pb::WatchProgressRequest {}),
            "raw" => {
                let message = read_bytes(words.next()?)?;
                return stream.send(message).map(|()| String::new());
            }
            "half-close" => {
                stream.half_close();
                return Ok(String::new());
            }
            "expect" => return self.runtime.block_on(stream.expect(words.number()?)),
            "gather" => return self.runtime.block_on(stream.gather(words.number()?)),
            "end" => return self.runtime.block_on(stream.end()),
            "drop" => {
                self.streams.remove(name);
                return Ok(String::new());
            }
            other => bail!("a stream knows nothing of {other}"),
        };
        words.end()?;
        let request = pb::WatchRequest { request_union: Some(union) };
        stream.send(request.encode_to_vec()).map(|()| String::new())
    }
}

fn create(words: &mut Words<'_>) -> Result<pb::WatchCreateRequest> {
    let (key, range_end) = read_range(words.next()?)?;
    let mut create = pb::WatchCreateRequest {
        key,
        range_end,
        start_revision: words.field("start")?,
        watch_id: words.field("id")?,
        ..Default::default()
    };
    while let Some(filter) = words.named("filter") {
        create.filters.push(number_of(FILTERS, filter)?);
    }
    create.progress_notify = words.flag("progress_notify");
    create.prev_kv = words.flag("prev_kv");
    create.fragment = words.flag("fragment");
    Ok(create)
}
