//! Which bytes of an authority the HTTP library would refuse, and what stands in their place.

use crate::huffman::Walk;

/// As many colons as the HTTP library takes before the end of a bracket.
const MAX_COLONS: u8 = 8;

/// Five bits that begin the code words of the space (and then 0) and of `%` (and then 1), and no
/// other. With the last of them set they begin those of `-` and `.`.
const SPACE_OR_PERCENT: Walk = Walk { word: 0b01010, length: 5 };

/// Eight bits of the twelve of `#`.
const FIRST_OF_FRAGMENT: Walk = Walk { word: 0xff, length: 8 };
/// The rest of `#`, and four of the five bits of either `i` or `o`.
const REST_OF_FRAGMENT: u8 = 0b1010_0011;
/// What makes `'` of the eight bits, and then has five of the six bits of either `-` or `.`.
const NO_FRAGMENT: u8 = 0b0100_1011;

/// A square bracket, of which an authority has one pair at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Bracket {
    #[default]
    None,
    Open,
    Closed,
}

/// The value of one `:authority` field, made acceptable byte by byte.
///
/// A name with or without a port, an IPv4 address, and an IPv6 address in brackets, also with a
/// zone, stay what they are. A user before an `@`, which RFC 9113 (8.3.1) forbids here, may be
/// altered.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    bracket: Bracket,
    /// The colons that count: `]` and `@` forget those before them.
    colons: u8,
    /// The code word that was begun, when the value is Huffman coded.
    walk: Walk,
}

impl Authority {
    /// Rewrites the next bytes of a value without Huffman coding.
    pub(crate) fn rewrite(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.acceptable(*byte);
        }
    }

    /// Rewrites the next bytes of a Huffman coded value.
    ///
    /// The bytes before them are gone. So a code word can only become one that differs in nothing
    /// but bits yet to come: its twin, mostly.
    pub(crate) fn rewrite_huffman(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.walk == FIRST_OF_FRAGMENT && *byte == REST_OF_FRAGMENT {
                *byte = NO_FRAGMENT;
            }
            for shift in (0..8).rev() {
                *byte ^= u8::from(self.is_to_flip(*byte >> shift & 1 == 1)) << shift;
            }
        }
    }

    fn is_to_flip(&mut self, bit: bool) -> bool {
        let before = self.walk;
        if let Some(leaf) = self.walk.step(bit) {
            return u8::try_from(leaf.symbol).is_ok_and(|byte| {
                let acceptable = self.acceptable(byte);
                acceptable != byte && leaf.twin == Some(u16::from(acceptable))
            });
        }
        let flip = self.walk == SPACE_OR_PERCENT && self.bracket != Bracket::Open;
        if flip {
            self.walk = before;
            self.walk.step(!bit);
        }
        flip
    }

    /// The byte, or the one that takes its place.
    ///
    /// Where it can be, that is the byte's twin in the Huffman code.
    fn acceptable(&mut self, byte: u8) -> u8 {
        let most_colons = if self.bracket == Bracket::Open { MAX_COLONS } else { 1 };
        let acceptable = match byte {
            b':' if self.colons >= most_colons => b'B',
            b'[' if self.bracket != Bracket::None => b'@',
            b']' if self.bracket != Bracket::Open => b'~',
            b'%' if self.bracket != Bracket::Open => b'.',
            b'/' => b'3',
            b' ' => b'-',
            b'"' => b'!',
            b'#' => b'\'',
            b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => b'-',
            // Control characters are among these: no HTTP/2 server takes them.
            other => other,
        };
        match acceptable {
            b':' => self.colons += 1,
            b'[' => self.bracket = Bracket::Open,
            b']' => (self.bracket, self.colons) = (Bracket::Closed, 0),
            b'@' => self.colons = 0,
            _ => {}
        }
        acceptable
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What becomes of a value that is not Huffman coded.
    fn rewritten(value: &str) -> String {
        let mut bytes = value.as_bytes().to_vec();
        Authority::default().rewrite(&mut bytes);
        String::from_utf8(bytes).expect("ASCII")
    }

    fn is_valid(value: &str) -> bool {
        value.parse::<http::uri::Authority>().is_ok()
    }

    fn check(sent: &str, seen: &str) {
        assert_eq!(rewritten(sent), seen);
        assert!(is_valid(seen), "{seen}");
    }

    #[test]
    fn what_clients_send_becomes_acceptable() {
        check("http://127.0.0.1:2379", "http:33127.0.0.1B2379");
        check("http://[::1]:2379", "http:33[::1]:2379");
        check("unix:///tmp/x.sock", "unix:333tmp3x.sock");
        check("%2Ftmp%2Fx.sock", ".2Ftmp.2Fx.sock");
        check("#initially=[http://a:1;http://b:2]", "'initially=[http:33a:1;http:33b:2]");
        check("#initially=[https://[::1]:2379]", "'initially=[https:33@::1]:2379~");
        check("[::1]:2379,[::2]:2379", "[::1]:2379,@:B2~B2379");
        check(
            "#initially=[a:1;b:2;c:3;d:4;e:5;f:6;g:7;h:8;i:9]",
            "'initially=[a:1;b:2;c:3;d:4;e:5;f:6;g:7;h:8;iB9]",
        );
    }

    proptest! {
        #[test]
        fn a_valid_authority_stays(
            value in prop_oneof![
                r"[a-z0-9._~!$&'()*+,;=-]{1,30}(:[0-9]{0,5})?",
                r"\[[0-9a-f:]{0,4}:[0-9a-f.]{0,8}(%25[a-z0-9]{1,6})?\](:[0-9]{1,5})?",
            ]
        ) {
            prop_assume!(is_valid(&value));
            prop_assert_eq!(rewritten(&value), value);
        }

        #[test]
        fn whatever_is_printed_becomes_acceptable(value in "[ -~]{1,60}") {
            let seen = rewritten(&value);
            prop_assert_eq!(seen.len(), value.len());
            // The last byte and a bracket left open would take a look ahead.
            let open = seen.contains('[') && !seen.contains(']');
            prop_assert!(is_valid(&seen) || open || seen.ends_with('@'), "{}", seen);
        }
    }
}
