//! Finds the header blocks in the bytes of an HTTP/2 connection (RFC 9113, sections 4 and 6).

use crate::header_block::{HeaderBlock, Malformed};

/// The bytes an HTTP/2 connection opens with (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const FRAME_HEADER: usize = 9;

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;

const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// A stream's dependency and weight, which may stand before a header block.
const PRIORITY_LENGTH: usize = 5;

/// Follows what a client sends, in pieces of any size, and rewrites its authorities in place.
///
/// Of all frames but those with headers only the first nine bytes are looked at. What is not
/// HTTP/2, or not in order, is passed as it is from there on: the HTTP library answers it.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    next: Next,
    block: HeaderBlock,
    /// The last frame with headers said that more of them follow.
    is_open: bool,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum Next {
    /// The connection's opening, of which so much was there.
    Preface {
        matched: usize,
    },
    /// A frame's header, of which so much was there.
    Header {
        bytes: [u8; FRAME_HEADER],
        filled: usize,
    },
    /// The byte that says how much padding follows the fragment.
    PaddingLength(Fragment),
    /// What stands before the fragment.
    Priority {
        left: usize,
        fragment: Fragment,
    },
    Fragment(Fragment),
    /// Nothing of interest.
    Skip {
        left: usize,
    },
    /// Nothing of interest, for ever.
    Unknown,
}

/// The part of a header block that one frame has.
#[derive(Clone, Copy, Debug)]
struct Fragment {
    left: usize,
    padding: usize,
    /// Whether priority stands before it.
    has_priority: bool,
    ends_block: bool,
}

impl Default for Next {
    fn default() -> Next {
        Next::Preface { matched: 0 }
    }
}

impl Next {
    const FRAME: Next = Next::Header { bytes: [0; FRAME_HEADER], filled: 0 };

    fn skip(left: usize) -> Next {
        if left == 0 { Next::FRAME } else { Next::Skip { left } }
    }
}

impl Frames {
    /// Goes on with the next bytes of the connection.
    pub(crate) fn rewrite(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            match self.step(&mut bytes[at..]) {
                Ok(taken) => at += taken,
                Err(Malformed) => {
                    self.next = Next::Unknown;
                    return;
                }
            }
        }
    }

    /// Takes some of the bytes, at least one, and says how many.
    fn step(&mut self, bytes: &mut [u8]) -> Result<usize, Malformed> {
        match &mut self.next {
            Next::Skip { left } => {
                let taken = bytes.len().min(*left);
                self.next = Next::skip(*left - taken);
                Ok(taken)
            }
            Next::Unknown => Ok(bytes.len()),
            Next::Header { bytes: header, filled } => {
                let taken = bytes.len().min(FRAME_HEADER - *filled);
                header[*filled..*filled + taken].copy_from_slice(&bytes[..taken]);
                *filled += taken;
                if *filled == FRAME_HEADER {
                    let header = *header;
                    self.next = self.frame(header)?;
                }
                Ok(taken)
            }
            Next::PaddingLength(fragment) => {
                let mut fragment = *fragment;
                fragment.padding = usize::from(bytes[0]);
                fragment.left = take(fragment.left, 1 + fragment.padding)?;
                self.next = self.before(fragment)?;
                Ok(1)
            }
            Next::Priority { left, fragment } => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                if *left == 0 {
                    let fragment = *fragment;
                    self.next = self.at(fragment)?;
                }
                Ok(taken)
            }
            Next::Fragment(fragment) => {
                let taken = bytes.len().min(fragment.left);
                self.block.rewrite(&mut bytes[..taken])?;
                fragment.left -= taken;
                let fragment = *fragment;
                self.next = self.at(fragment)?;
                Ok(taken)
            }
            Next::Preface { matched } => {
                let taken = bytes.len().min(PREFACE.len() - *matched);
                if bytes[..taken] != PREFACE[*matched..*matched + taken] {
                    return Err(Malformed);
                }
                *matched += taken;
                if *matched == PREFACE.len() {
                    self.next = Next::FRAME;
                }
                Ok(taken)
            }
        }
    }

    /// What follows a frame's header.
    fn frame(&mut self, header: [u8; FRAME_HEADER]) -> Result<Next, Malformed> {
        let [high, middle, low, kind, flags, ..] = header;
        let left = u32::from_be_bytes([0, high, middle, low]) as usize;
        match kind {
            HEADERS if !self.is_open => self.headers(left, flags),
            CONTINUATION if self.is_open => self.at(Fragment {
                left,
                padding: 0,
                has_priority: false,
                ends_block: flags & END_HEADERS != 0,
            }),
            CONTINUATION => Err(Malformed),
            _ if self.is_open => Err(Malformed),
            _ => Ok(Next::skip(left)),
        }
    }

    fn headers(&mut self, left: usize, flags: u8) -> Result<Next, Malformed> {
        self.is_open = true;
        let fragment = Fragment {
            left,
            padding: 0,
            has_priority: flags & PRIORITY != 0,
            ends_block: flags & END_HEADERS != 0,
        };
        if flags & PADDED == 0 {
            return self.before(fragment);
        }
        // Without a byte for the padding's length there is no frame.
        take(left, 1)?;
        Ok(Next::PaddingLength(fragment))
    }

    /// The next byte is the first of a fragment, or of the priority before it.
    fn before(&mut self, mut fragment: Fragment) -> Result<Next, Malformed> {
        if !fragment.has_priority {
            return self.at(fragment);
        }
        fragment.left = take(fragment.left, PRIORITY_LENGTH)?;
        Ok(Next::Priority { left: PRIORITY_LENGTH, fragment })
    }

    /// The next byte is the fragment's, if it has one left.
    fn at(&mut self, fragment: Fragment) -> Result<Next, Malformed> {
        if fragment.left > 0 {
            return Ok(Next::Fragment(fragment));
        }
        if fragment.ends_block {
            if !self.block.is_between_fields() {
                return Err(Malformed);
            }
            self.is_open = false;
        }
        Ok(Next::skip(fragment.padding))
    }
}

/// What a frame has left after a part of it.
fn take(left: usize, part: usize) -> Result<usize, Malformed> {
    left.checked_sub(part).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use httlib_hpack::Encoder;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    const SENT: &str = "http://127.0.0.1:2379";
    const SEEN: &str = "http:33127.0.0.1B2379";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
        let header = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&header[..], payload].concat()
    }

    /// The block as one frame with headers and some that continue it, cut at random.
    fn header_frames(block: &[u8], cuts: &[Index], padding: Option<u8>, priority: u8) -> Vec<u8> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(block.len() + 1)).collect();
        cuts.extend([0, block.len()]);
        cuts.sort_unstable();
        let mut frames = Vec::new();
        for (nth, cut) in cuts.windows(2).enumerate() {
            let last = if nth + 2 == cuts.len() { END_HEADERS } else { 0 };
            let mut payload = block[cut[0]..cut[1]].to_vec();
            if nth > 0 {
                frames.extend(frame(CONTINUATION, last, &payload));
                continue;
            }
            let mut flags = last | priority;
            if priority != 0 {
                payload.splice(..0, *b":////");
            }
            if let Some(padding) = padding {
                flags |= PADDED;
                payload.insert(0, padding);
                payload.extend(vec![b'/'; usize::from(padding)]);
            }
            frames.extend(frame(HEADERS, flags, &payload));
        }
        frames
    }

    fn block(encoder: &mut Encoder<'_>, authority: &str, huffman: u8) -> Vec<u8> {
        let mut block = Vec::new();
        let flags = Encoder::BEST_FORMAT | Encoder::WITH_INDEXING | huffman;
        for (name, value) in [(":method", "POST"), (":authority", authority), ("te", "a/b:c:d")] {
            let field = (name.as_bytes().to_vec(), value.as_bytes().to_vec(), flags);
            encoder.encode(field, &mut block).expect("encoded");
        }
        block
    }

    /// A request or something else, and how it is seen.
    #[derive(Clone, Debug)]
    enum Part {
        Request { cuts: Vec<Index>, padding: Option<u8>, priority: u8, huffman: u8 },
        Other { kind: u8, flags: u8, payload: Vec<u8> },
    }

    fn part() -> impl Strategy<Value = Part> {
        let cuts = prop::collection::vec(any::<Index>(), 0..4);
        let request = (cuts, any::<Option<u8>>(), any::<bool>(), any::<bool>());
        let other = (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..300));
        prop_oneof![
            request.prop_map(|(cuts, padding, priority, huffman)| Part::Request {
                cuts,
                padding,
                priority: if priority { PRIORITY } else { 0 },
                huffman: if huffman { Encoder::HUFFMAN_VALUE } else { 0 },
            }),
            other
                .prop_filter("no headers", |(kind, ..)| ![HEADERS, CONTINUATION].contains(kind))
                .prop_map(|(kind, flags, payload)| Part::Other { kind, flags, payload }),
        ]
    }

    fn written(parts: &[Part], authority: &str) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let mut bytes = PREFACE.to_vec();
        for part in parts {
            match part {
                Part::Request { cuts, padding, priority, huffman } => {
                    let block = block(&mut encoder, authority, *huffman);
                    bytes.extend(header_frames(&block, cuts, *padding, *priority));
                }
                Part::Other { kind, flags, payload } => {
                    bytes.extend(frame(*kind, *flags, payload));
                }
            }
        }
        bytes
    }

    fn rewritten(mut bytes: Vec<u8>, cuts: &[Index]) -> Vec<u8> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut frames = Frames::default();
        for piece in cuts.windows(2) {
            frames.rewrite(&mut bytes[piece[0]..piece[1]]);
        }
        bytes
    }

    proptest! {
        #[test]
        fn a_connection_looks_as_if_the_client_had_sent_acceptable_authorities(
            parts in prop::collection::vec(part(), 1..8),
            cuts in prop::collection::vec(any::<Index>(), 0..40),
        ) {
            let seen = rewritten(written(&parts, SENT), &cuts);
            prop_assert_eq!(seen, written(&parts, SEEN));
        }

        #[test]
        fn acceptable_connections_stay(
            parts in prop::collection::vec(part(), 1..8),
            cuts in prop::collection::vec(any::<Index>(), 0..40),
        ) {
            for authority in ["localhost:2379", "[::1]:2379", "10.0.0.1:2379"] {
                let sent = written(&parts, authority);
                prop_assert_eq!(rewritten(sent.clone(), &cuts), sent);
            }
        }

        #[test]
        fn whatever_comes_is_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            cuts in prop::collection::vec(any::<Index>(), 0..10),
        ) {
            rewritten([&PREFACE[..], &bytes].concat(), &cuts);
            prop_assert_eq!(rewritten(bytes.clone(), &cuts), bytes);
        }
    }

    /// What comes after the preface, and before a request that would be rewritten otherwise.
    fn check_given_up(bytes: &[u8]) {
        let request = header_frames(&block(&mut Encoder::default(), SENT, 0), &[], None, 0);
        let sent = [&PREFACE[..], bytes, &request].concat();
        assert_eq!(rewritten(sent.clone(), &[]), sent);
    }

    #[test]
    fn what_is_out_of_order_is_left_to_the_http_library() {
        check_given_up(&frame(CONTINUATION, END_HEADERS, b""));
        check_given_up(&frame(HEADERS, 0, b""));
        check_given_up(&[frame(HEADERS, 0, b""), frame(0, 0, b"")].concat());
        check_given_up(&frame(HEADERS, END_HEADERS | PADDED, b""));
        check_given_up(&frame(HEADERS, END_HEADERS | PADDED, b"\x01"));
        check_given_up(&frame(HEADERS, END_HEADERS | PRIORITY, b"1234"));
        check_given_up(&frame(HEADERS, END_HEADERS, b"\x41\x05a"));
    }

    #[test]
    fn a_connection_without_the_preface_stays() {
        let sent = written(&[], SENT).split_off(1);
        assert_eq!(rewritten(sent.clone(), &[]), sent);
        let mut request = b"GET http://a:1/ HTTP/1.1\r\nHost: http://a:1\r\n\r\n".to_vec();
        let sent = request.clone();
        Frames::default().rewrite(&mut request);
        assert_eq!(request, sent);
    }
}
