//! Requests from the lines of a script.

use super::literal::{
    ALARM_ACTIONS, ALARMS, COMPARE_RESULTS, COMPARE_TARGETS, ORDERS, SORT_TARGETS, number_of,
    read_bytes, read_range, split,
};
use super::request::Request;
use anyhow::{Context, Result, bail, ensure};
use etcd_proto::etcdserverpb as pb;
use pb::compare::{CompareTarget, TargetUnion};
use pb::request_op::Request as Operation;
use std::str::FromStr;

/// A request; only a transaction has more than one line.
pub(super) fn request(text: &str) -> Result<Request> {
    let mut lines = text.lines();
    let first = lines.next().context("no request")?;
    if first.trim_end() == "txn" {
        let lines: Vec<(usize, &str)> = lines.map(|line| (indent(line), line.trim())).collect();
        let (txn, rest) = txn(&lines, 0)?;
        ensure!(rest.is_empty(), "this belongs to no transaction: {}", rest[0].1);
        return Ok(Request::Txn(txn));
    }
    ensure!(lines.next().is_none(), "one line too many after: {first}");
    let mut words = Words::of(first);
    let request = single(&mut words).with_context(|| format!("in: {first}"))?;
    words.end()?;
    Ok(request)
}

fn single(words: &mut Words<'_>) -> Result<Request> {
    Ok(match words.next()? {
        "range" => Request::Range(range(words)?),
        "range_stream" => Request::RangeStream(range(words)?),
        "put" => Request::Put(put(words)?),
        "delete" => Request::DeleteRange(delete(words)?),
        "compact" => Request::Compact(pb::CompactionRequest {
            revision: words.number()?,
            physical: words.flag("physical"),
        }),
        "hash_kv" => Request::HashKv(pb::HashKvRequest { revision: words.number()? }),
        "lease_grant" => Request::LeaseGrant(pb::LeaseGrantRequest {
            id: words.number()?,
            ttl: words.field("ttl")?,
        }),
        "lease_revoke" => Request::LeaseRevoke(pb::LeaseRevokeRequest { id: words.number()? }),
        "alarm" => Request::Alarm(pb::AlarmRequest {
            action: number_of(ALARM_ACTIONS, words.next()?)?,
            alarm: number_of(ALARMS, words.next()?)?,
            member_id: words.field("member")?,
        }),
        "status" => Request::Status,
        other => bail!("no such request: {other}"),
    })
}

/// The words of a line that were not understood yet: first those with a place, then the others.
pub(super) struct Words<'a> {
    left: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a str) -> Words<'a> {
        Words { left: split(line) }
    }

    pub(super) fn next(&mut self) -> Result<&'a str> {
        ensure!(!self.left.is_empty(), "a word is missing at the end");
        Ok(self.left.remove(0))
    }

    pub(super) fn number<T: FromStr>(&mut self) -> Result<T> {
        let word = self.next()?;
        word.parse().ok().with_context(|| format!("not a number: {word}"))
    }

    /// The word of `name=word`, wherever it stands.
    pub(super) fn named(&mut self, name: &str) -> Option<&'a str> {
        let value = |word: &&'a str| word.strip_prefix(name)?.strip_prefix('=');
        let at = self.left.iter().position(|word| value(word).is_some())?;
        value(&self.left.remove(at))
    }

    pub(super) fn field<T: FromStr + Default>(&mut self, name: &str) -> Result<T> {
        match self.named(name) {
            None => Ok(T::default()),
            Some(word) => word.parse().ok().with_context(|| format!("{name}={word}: no number")),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        let at = self.left.iter().position(|&word| word == name);
        at.map(|at| self.left.remove(at)).is_some()
    }

    pub(super) fn end(&self) -> Result<()> {
        ensure!(self.left.is_empty(), "not understood: {}", self.left.join(" "));
        Ok(())
    }
}

fn range(words: &mut Words<'_>) -> Result<pb::RangeRequest> {
    let (key, range_end) = read_range(words.next()?)?;
    Ok(pb::RangeRequest {
        key,
        range_end,
        limit: words.field("limit")?,
        revision: words.field("rev")?,
        sort_order: words.named("order").map_or(Ok(0), |word| number_of(ORDERS, word))?,
        sort_target: words.named("target").map_or(Ok(0), |word| number_of(SORT_TARGETS, word))?,
        serializable: words.flag("serializable"),
        keys_only: words.flag("keys_only"),
        count_only: words.flag("count_only"),
        min_mod_revision: words.field("min_mod")?,
        max_mod_revision: words.field("max_mod")?,
        min_create_revision: words.field("min_create")?,
        max_create_revision: words.field("max_create")?,
    })
}

fn put(words: &mut Words<'_>) -> Result<pb::PutRequest> {
    Ok(pb::PutRequest {
        key: read_bytes(words.next()?)?,
        value: read_bytes(words.next()?)?,
        lease: words.field("lease")?,
        prev_kv: words.flag("prev_kv"),
        ignore_value: words.flag("ignore_value"),
        ignore_lease: words.flag("ignore_lease"),
    })
}

fn delete(words: &mut Words<'_>) -> Result<pb::DeleteRangeRequest> {
    let (key, range_end) = read_range(words.next()?)?;
    Ok(pb::DeleteRangeRequest { key, range_end, prev_kv: words.flag("prev_kv") })
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

type Lines<'a> = &'a [(usize, &'a str)];

/// The compares and operations of a transaction, whose own line is indented by `depth`, and the
/// lines after it.
fn txn(lines: Lines<'_>, depth: usize) -> Result<(pb::TxnRequest, Lines<'_>)> {
    let mut txn = pb::TxnRequest::default();
    let mut rest = lines;
    while let [(at, line), after @ ..] = rest {
        if *at <= depth {
            break;
        }
        ensure!(*at == depth + 2, "two spaces deeper than its txn, please: {line}");
        rest = after;
        match *line {
            "then" => (txn.success, rest) = operations(rest, depth + 4)?,
            "else" => (txn.failure, rest) = operations(rest, depth + 4)?,
            line => txn.compare.push(compare(line).with_context(|| format!("in: {line}"))?),
        }
    }
    Ok((txn, rest))
}

fn operations(lines: Lines<'_>, depth: usize) -> Result<(Vec<pb::RequestOp>, Lines<'_>)> {
    let mut list = Vec::new();
    let mut rest = lines;
    while let [(at, line), after @ ..] = rest {
        if *at < depth {
            break;
        }
        ensure!(*at == depth, "not as deep as its neighbours: {line}");
        rest = after;
        let request = if *line == "txn" {
            let nested;
            (nested, rest) = txn(rest, depth)?;
            Some(Operation::RequestTxn(nested))
        } else {
            let mut words = Words::of(line);
            let operation = operation(&mut words).with_context(|| format!("in: {line}"))?;
            words.end()?;
            operation
        };
        list.push(pb::RequestOp { request });
    }
    Ok((list, rest))
}

fn operation(words: &mut Words<'_>) -> Result<Option<Operation>> {
    Ok(Some(match words.next()? {
        "range" => Operation::RequestRange(range(words)?),
        "put" => Operation::RequestPut(put(words)?),
        "delete" => Operation::RequestDeleteRange(delete(words)?),
        "nothing" => return Ok(None),
        other => bail!("no such operation: {other}"),
    }))
}

fn compare(line: &str) -> Result<pb::Compare> {
    let mut words = Words::of(line);
    ensure!(words.next()? == "if", "neither if nor then nor else");
    let target = number_of(COMPARE_TARGETS, words.next()?)?;
    let (key, range_end) = read_range(words.next()?)?;
    let result = number_of(COMPARE_RESULTS, words.next()?)?;
    let target_union = target_union(target, words.next()?)?;
    words.end()?;
    Ok(pb::Compare { result, target, key, range_end, target_union })
}

/// `-`, a value of the compare's own target, or `other:` and one of another.
fn target_union(target: i32, word: &str) -> Result<Option<TargetUnion>> {
    if word == "-" {
        return Ok(None);
    }
    let named = COMPARE_TARGETS
        .iter()
        .zip(0..)
        .find_map(|(name, number)| Some((number, word.strip_prefix(name)?.strip_prefix(':')?)));
    let (target, word) = named.unwrap_or((target, word));
    let target = CompareTarget::try_from(target).context("a value of which target?")?;
    let number = || word.parse().with_context(|| format!("not a number: {word}"));
    Ok(Some(match target {
        CompareTarget::Version => TargetUnion::Version(number()?),
        CompareTarget::Create => TargetUnion::CreateRevision(number()?),
        CompareTarget::Mod => TargetUnion::ModRevision(number()?),
        CompareTarget::Value => TargetUnion::Value(read_bytes(word)?),
        CompareTarget::Lease => TargetUnion::Lease(number()?),
    }))
}
