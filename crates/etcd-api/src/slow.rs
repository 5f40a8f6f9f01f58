//! Unary calls that take too long are told in the log.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use etcd_proto::etcdserverpb::request_op::Request as Op;
use etcd_proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest};
use etcd_transport::Remote;
use prost::Message as _;
use tokio::time::Instant;
use tracing::Level;

use crate::caller::Caller;
use crate::metrics::Method;
use crate::routes::Answering;

/// What is told for a number that nobody counted, as in etcd.
const UNCOUNTED: i64 = -1;
/// What is told where a call came from when it did not come over a connection.
const NO_REMOTE: &str = "No remote client info.";

/// A call of KV under way. It is told when it ends, however that comes.
pub(crate) struct Timing<'c> {
    limit: Duration,
    begun: Instant,
    path: &'static str,
    caller: &'c Caller,
    /// None once it was answered.
    asked: Option<Asked<'c>>,
}

/// What was asked; the values of keys are never told.
pub(crate) enum Asked<'c> {
    Range(&'c RangeRequest),
    Put(&'c PutRequest),
    DeleteRange { key: Bytes, range_end: Bytes, bytes: usize },
    Txn { compares: usize, success: usize, failure: usize, first_key: Option<Bytes> },
}

/// How many key-values an answer tells of, and its bytes.
pub(crate) struct Sizes {
    pub(crate) count: i64,
    pub(crate) bytes: usize,
}

impl<'c> Timing<'c> {
    pub(crate) fn new(
        limit: Duration,
        begun: Instant,
        path: &'static str,
        caller: &'c Caller,
        asked: Asked<'c>,
    ) -> Timing<'c> {
        Timing { limit, begun, path, caller, asked: Some(asked) }
    }

    /// There is an answer since then; its sizes are only asked for when they are told.
    pub(crate) fn answered(mut self, ended: Instant, sizes: impl FnOnce() -> Sizes) {
        let asked = self.asked.take();
        let spent = ended.saturating_duration_since(self.begun);
        if is_told(spent, self.limit) {
            self.tell(spent, asked.map(|asked| (asked, sizes())));
        }
    }

    fn tell(&self, spent: Duration, answered: Option<(Asked<'_>, Sizes)>) {
        let remote = self.caller.connection().map(|connection| connection.remote);
        tell(&Told { spent, limit: self.limit, path: self.path, remote, answered });
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        // As in etcd, of a call that fails it is not told what it asked.
        if self.asked.is_some() {
            let spent = self.begun.elapsed();
            if is_told(spent, self.limit) {
                self.tell(spent, None);
            }
        }
    }
}

/// Any other call, told by its name alone.
pub(crate) fn timed(
    limit: Duration,
    method: Arc<Method>,
    remote: Option<Remote>,
    answering: Answering,
) -> Answering {
    let begun = Instant::now();
    Box::pin(async move {
        let response = answering.await;
        let spent = begun.elapsed();
        if is_told(spent, limit) {
            tell(&Told { spent, limit, path: &method.path, remote, answered: None });
        }
        response
    })
}

/// Whether a call of KV is told with what it asked, by a [`Timing`].
pub(crate) fn tells_itself(path: &str) -> bool {
    [RANGE, PUT, DELETE_RANGE, TXN].contains(&path)
}

pub(crate) const RANGE: &str = "/etcdserverpb.KV/Range";
pub(crate) const PUT: &str = "/etcdserverpb.KV/Put";
pub(crate) const DELETE_RANGE: &str = "/etcdserverpb.KV/DeleteRange";
pub(crate) const TXN: &str = "/etcdserverpb.KV/Txn";

/// Everything is, where everything is wanted.
fn is_told(spent: Duration, limit: Duration) -> bool {
    spent > limit || tracing::enabled!(Level::DEBUG)
}

struct Told<'t> {
    spent: Duration,
    limit: Duration,
    path: &'t str,
    remote: Option<Remote>,
    answered: Option<(Asked<'t>, Sizes)>,
}

/// One line with etcd's message and field names.
#[cold]
fn tell(told: &Told<'_>) {
    let start = SystemTime::now().checked_sub(told.spent).unwrap_or(SystemTime::UNIX_EPOCH);
    let start = humantime::format_rfc3339_micros(start).to_string();
    let spent = format!("{:?}", told.spent);
    let remote = told.remote.map_or_else(|| NO_REMOTE.to_owned(), |remote| remote.to_string());
    let (content, [asked_count, asked_bytes, count, bytes]) = match &told.answered {
        Some((asked, Sizes { count, bytes })) => {
            let (asked_count, asked_bytes) = asked.sizes();
            (asked.to_string(), [asked_count, asked_bytes, *count, signed(*bytes)])
        }
        None => (String::new(), [UNCOUNTED; 4]),
    };
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                "start time" = start,
                "time spent" = spent,
                "remote" = remote,
                "response type" = told.path,
                "request count" = asked_count,
                "request size" = asked_bytes,
                "response count" = count,
                "response size" = bytes,
                "request content" = content,
                "request stats"
            )
        };
    }
    if told.spent > told.limit { line!(warn) } else { line!(debug) }
}

impl Asked<'_> {
    pub(crate) fn delete_range(request: &DeleteRangeRequest) -> Asked<'static> {
        let (key, range_end) = (request.key.clone(), request.range_end.clone());
        Asked::DeleteRange { key, range_end, bytes: request.encoded_len() }
    }

    pub(crate) fn txn(request: &TxnRequest) -> Asked<'static> {
        let first = request.success.first().or(request.failure.first());
        let first_key = match first.and_then(|op| op.request.as_ref()) {
            Some(Op::RequestRange(range)) => Some(range.key.clone()),
            Some(Op::RequestPut(put)) => Some(put.key.clone()),
            Some(Op::RequestDeleteRange(delete)) => Some(delete.key.clone()),
            Some(Op::RequestTxn(_)) | None => None,
        };
        Asked::Txn {
            compares: request.compare.len(),
            success: request.success.len(),
            failure: request.failure.len(),
            first_key,
        }
    }

    /// How many writes etcd counts in it, and its bytes.
    fn sizes(&self) -> (i64, i64) {
        match self {
            Asked::Range(request) => (0, signed(request.encoded_len())),
            Asked::Put(request) => (1, signed(request.encoded_len())),
            Asked::DeleteRange { bytes, .. } => (0, signed(*bytes)),
            Asked::Txn { success, .. } => (signed(*success), UNCOUNTED),
        }
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Range(request) => {
                write!(f, "key:\"{}\"", Escaped(&request.key))?;
                range_end(f, &request.range_end)?;
                number(f, "limit", request.limit)?;
                number(f, "revision", request.revision)?;
                flag(f, "serializable", request.serializable)?;
                flag(f, "keys_only", request.keys_only)?;
                flag(f, "count_only", request.count_only)
            }
            Asked::Put(request) => {
                let PutRequest { key, value, lease, .. } = request;
                write!(f, "key:\"{}\" value_size:{}", Escaped(key), value.len())?;
                number(f, "lease", *lease)
            }
            Asked::DeleteRange { key, range_end: end, .. } => {
                write!(f, "key:\"{}\"", Escaped(key))?;
                range_end(f, end)
            }
            Asked::Txn { compares, success, failure, first_key } => {
                write!(f, "compares:{compares} success:{success} failure:{failure}")?;
                match first_key {
                    Some(key) => write!(f, " first_key:\"{}\"", Escaped(key)),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A key as text, its other bytes as numbers.
struct Escaped<'b>(&'b [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().flat_map(|byte| byte.escape_ascii()) {
            f.write_char(char::from(byte))?;
        }
        Ok(())
    }
}

fn range_end(f: &mut fmt::Formatter<'_>, end: &[u8]) -> fmt::Result {
    if end.is_empty() { Ok(()) } else { write!(f, " range_end:\"{}\"", Escaped(end)) }
}

fn number(f: &mut fmt::Formatter<'_>, name: &str, number: i64) -> fmt::Result {
    if number == 0 { Ok(()) } else { write!(f, " {name}:{number}") }
}

fn flag(f: &mut fmt::Formatter<'_>, name: &str, is_set: bool) -> fmt::Result {
    if is_set { write!(f, " {name}:true") } else { Ok(()) }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn what_was_asked_is_told_without_values() {
        let put = PutRequest { key: bytes("a\n"), value: bytes("secret"), ..Default::default() };
        assert_eq!(Asked::Put(&put).to_string(), "key:\"a\\n\" value_size:6");
        let range = RangeRequest {
            key: bytes("a"),
            range_end: bytes("\0"),
            limit: 3,
            serializable: true,
            ..Default::default()
        };
        let told = "key:\"a\" range_end:\"\\x00\" limit:3 serializable:true";
        assert_eq!(Asked::Range(&range).to_string(), told);
        let delete = DeleteRangeRequest { key: bytes("b"), ..Default::default() };
        assert_eq!(Asked::delete_range(&delete).to_string(), "key:\"b\"");
        let op = |put| etcd_proto::etcdserverpb::RequestOp { request: Some(Op::RequestPut(put)) };
        let txn = TxnRequest { success: vec![op(put)], ..Default::default() };
        let told = "compares:0 success:1 failure:0 first_key:\"a\\n\"";
        assert_eq!(Asked::txn(&txn).to_string(), told);
    }
}
