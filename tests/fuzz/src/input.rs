//! What an input says: requests in a row, each with its kind and its length before it.

use bytes::Bytes;

/// The most requests of an input that are looked at.
const REQUESTS: usize = 16;

/// What a request is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A `RangeRequest`.
    Range,
    /// A `PutRequest`.
    Put,
    /// A `DeleteRangeRequest`.
    DeleteRange,
    /// A `TxnRequest`.
    Txn,
    /// A `CompactionRequest`.
    Compaction,
    /// A `WatchRequest`.
    Watch,
    /// A command as another member would put it into the log.
    Command,
}

impl Kind {
    const ALL: [Kind; 7] = [
        Kind::Range,
        Kind::Put,
        Kind::DeleteRange,
        Kind::Txn,
        Kind::Compaction,
        Kind::Watch,
        Kind::Command,
    ];
}

/// A request as it comes from the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which method it calls.
    pub kind: Kind,
    /// The message.
    pub message: Bytes,
}

/// The requests of an input. Any bytes are an input: the length of the last request may say more
/// than there is.
pub fn requests(input: &[u8]) -> Vec<Request> {
    let mut rest = input;
    let mut requests = Vec::new();
    while let [kind, low, high, after @ ..] = rest
        && requests.len() < REQUESTS
    {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (message, after) = after.split_at(length);
        let kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
        requests.push(Request { kind, message: Bytes::copy_from_slice(message) });
        rest = after;
    }
    requests
}

/// The input that says these requests.
///
/// # Panics
///
/// When a message is longer than an input can say.
pub fn input(requests: &[Request]) -> Vec<u8> {
    let mut input = Vec::new();
    for Request { kind, message } in requests {
        let kind = Kind::ALL.iter().position(|other| other == kind).expect("all are there");
        input.push(u8::try_from(kind).expect("they are few"));
        let length = u16::try_from(message.len()).expect("seeds are small");
        input.extend(length.to_le_bytes());
        input.extend_from_slice(message);
    }
    input
}
