//! What the header blocks of answers say: whether a call went well.

use anyhow::{Context, Result};
use httlib_hpack::Decoder;
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::{Code, Status};

/// Blocks that are remembered: an answer's first and its last, of a few sorts.
const REMEMBERED: usize = 8;

/// What a header block of an answer means.
#[derive(Debug, Clone)]
pub(crate) enum Meaning {
    /// An answer follows.
    Accepted,
    /// The call has ended, well or not.
    Ended(Result<(), Status>),
    /// Whatever answered does not speak gRPC.
    Foreign(Status),
}

/// Reads the header blocks of one connection, each in the order of their arrival, because each may
/// change the table that the following ones refer to.
pub(crate) struct ResponseHeaders {
    decoder: Decoder<'static>,
    /// Blocks that leave the table as it is, and what they mean as long as it stays so.
    known: Vec<(Vec<u8>, Meaning)>,
}

impl ResponseHeaders {
    pub(crate) fn new() -> ResponseHeaders {
        ResponseHeaders { decoder: Decoder::default(), known: Vec::new() }
    }

    pub(crate) fn read(&mut self, block: &[u8]) -> Result<Meaning> {
        if let Some((_, meaning)) = self.known.iter().find(|(known, _)| known == block) {
            return Ok(meaning.clone());
        }
        let mut fields = Vec::new();
        self.decoder.decode(&mut block.to_vec(), &mut fields).context("decoding headers")?;
        let added = fields.iter().any(|(_, _, form)| *form == Decoder::WITH_INDEXING);
        let fields = fields.into_iter().map(|(name, value, _)| (name, value));
        let meaning = meaning(fields)?;
        // A new size of the table stands at the beginning of a block (RFC 7541, section 4.2).
        let resized = block.first().is_some_and(|byte| byte & 0xe0 == 0x20);
        if added || resized {
            self.known.clear();
        } else {
            self.known.truncate(REMEMBERED - 1);
            self.known.insert(0, (block.to_vec(), meaning.clone()));
        }
        Ok(meaning)
    }
}

fn meaning(fields: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Meaning> {
    let mut http_status = None;
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        if name == b":status" {
            http_status = Some(value);
        } else {
            headers.append(HeaderName::from_bytes(&name)?, HeaderValue::from_bytes(&value)?);
        }
    }
    if let Some(status) = Status::from_header_map(&headers) {
        let outcome = if status.code() == Code::Ok { Ok(()) } else { Err(status) };
        return Ok(Meaning::Ended(outcome));
    }
    Ok(match http_status.as_deref() {
        Some(b"200") => Meaning::Accepted,
        Some(other) => {
            let text = format!("HTTP status {}", String::from_utf8_lossy(other));
            Meaning::Foreign(Status::unknown(text))
        }
        None => Meaning::Foreign(Status::unknown("trailers without grpc-status")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use httlib_hpack::Encoder;

    fn block(encoder: &mut Encoder, fields: &[(&str, &str)], form: u8) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            let field = (name.as_bytes().to_vec(), value.as_bytes().to_vec(), form);
            encoder.encode(field, &mut block).expect("a field");
        }
        block
    }

    const INDEXED: u8 = Encoder::WITH_INDEXING | Encoder::BEST_FORMAT;

    #[test]
    fn a_remembered_block_is_forgotten_when_the_table_changes() {
        let (mut encoder, mut headers) = (Encoder::default(), ResponseHeaders::new());
        let mut seen = Vec::new();
        for code in ["0", "0", "0", "5", "0", "5", "5"] {
            let block = block(&mut encoder, &[("grpc-status", code)], INDEXED);
            let Meaning::Ended(outcome) = headers.read(&block).expect("a block") else {
                panic!("{code} ends a call");
            };
            seen.push(outcome.err().map(|status| status.code()));
        }
        let not_found = Some(Code::NotFound);
        assert_eq!(seen, [None, None, None, not_found, None, not_found, not_found]);
    }

    #[test]
    fn a_failure_comes_with_its_message() {
        let (mut encoder, mut headers) = (Encoder::default(), ResponseHeaders::new());
        let fields = [(":status", "200"), ("grpc-status", "8"), ("grpc-message", "no%20space")];
        let block = block(&mut encoder, &fields, INDEXED);
        let Meaning::Ended(Err(status)) = headers.read(&block).expect("a block") else {
            panic!("a failure");
        };
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "no space"));
    }

    #[test]
    fn another_status_of_http_is_no_answer() {
        let (mut encoder, mut headers) = (Encoder::default(), ResponseHeaders::new());
        let block = block(&mut encoder, &[(":status", "404")], INDEXED);
        assert!(matches!(headers.read(&block), Ok(Meaning::Foreign(_))));
    }
}
