//! Finds the authorities in the header blocks of a connection (RFC 7541, section 6).

use crate::authority::Authority;

/// The name whose values are rewritten, in the static table and as a literal in both codings.
const AUTHORITY_INDEX: u32 = 1;
const AUTHORITY: &[u8] = b":authority";
const AUTHORITY_HUFFMAN: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// How many bits of an integer may follow its first byte: the HTTP library takes no more.
const MAX_INTEGER_BITS: u32 = 28;

/// The bytes cannot be a header block. What they mean is for the HTTP library to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads header blocks in pieces of any size and rewrites the values of `:authority` in place.
///
/// Neither coded nor decoded lengths change, so the tables of both ends keep the same entries in
/// the same places. That is why this needs no table: a field that is nothing but an index was
/// rewritten when it was sent in full.
/// A value is missed only where its name is an index into the dynamic table, which no encoder has a
/// reason to use for a name that the static table has too.
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
    /// A literal name, and what it would have to go on with to be `:authority`.
    Name { left: usize, unmatched: Option<&'static [u8]> },
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
        while let [first, ..] = *bytes {
            let taken = match &mut self.next {
                Next::Field => {
                    self.next = field(first);
                    1
                }
                Next::Length(of) => {
                    let coding = if first & 0x80 == 0 { Coding::Raw } else { Coding::Huffman };
                    self.next = integer(first, 7, IntegerOf::Length(*of, coding));
                    1
                }
                Next::Integer { value, shift, of } => {
                    self.next = rest_of_integer(first, *value, *shift, *of)?;
                    1
                }
                Next::Name { left, unmatched } => {
                    let (name, _) = bytes.split_at(bytes.len().min(*left));
                    *unmatched = unmatched.and_then(|expected| expected.strip_prefix(name));
                    *left -= name.len();
                    if *left == 0 {
                        let is_authority = *unmatched == Some(&[]);
                        let of = if is_authority { StringOf::Authority } else { StringOf::Value };
                        self.next = Next::Length(of);
                    }
                    name.len()
                }
                Next::Value { left } => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    if *left == 0 {
                        self.next = Next::Field;
                    }
                    taken
                }
                Next::Authority { left, coding, authority } => {
                    let (value, _) = bytes.split_at_mut(bytes.len().min(*left));
                    match coding {
                        Coding::Raw => authority.rewrite(value),
                        Coding::Huffman => authority.rewrite_huffman(value),
                    }
                    let taken = value.len();
                    *left -= taken;
                    if *left == 0 {
                        self.next = Next::Field;
                    }
                    taken
                }
            };
            bytes = &mut bytes[taken..];
        }
        Ok(())
    }
}

/// What a field's first byte says (RFC 7541, 6.1 to 6.3).
fn field(first: u8) -> Next {
    match first {
        0x80.. => integer(first, 7, IntegerOf::WholeField),
        0x40.. => integer(first, 6, IntegerOf::NameIndex),
        0x20.. => integer(first, 5, IntegerOf::WholeField),
        _ => integer(first, 4, IntegerOf::NameIndex),
    }
}

/// An integer whose first byte has this many bits for it (RFC 7541, 5.1).
fn integer(first: u8, bits: u32, of: IntegerOf) -> Next {
    let most = (1 << bits) - 1;
    let value = u32::from(first) & most;
    if value == most { Next::Integer { value, shift: 0, of } } else { after_integer(value, of) }
}

fn rest_of_integer(byte: u8, value: u32, shift: u32, of: IntegerOf) -> Result<Next, Malformed> {
    if shift == MAX_INTEGER_BITS {
        return Err(Malformed);
    }
    let value = value + (u32::from(byte & 0x7f) << shift);
    if byte & 0x80 == 0 {
        return Ok(after_integer(value, of));
    }
    Ok(Next::Integer { value, shift: shift + 7, of })
}

fn after_integer(value: u32, of: IntegerOf) -> Next {
    match of {
        IntegerOf::WholeField => Next::Field,
        IntegerOf::NameIndex => Next::Length(match value {
            0 => StringOf::Name,
            AUTHORITY_INDEX => StringOf::Authority,
            _ => StringOf::Value,
        }),
        IntegerOf::Length(of, coding) => string(value as usize, of, coding),
    }
}

fn string(left: usize, of: StringOf, coding: Coding) -> Next {
    match (of, left) {
        (StringOf::Name, 0) => Next::Length(StringOf::Value),
        (StringOf::Value | StringOf::Authority, 0) => Next::Field,
        (StringOf::Name, _) => {
            let name = match coding {
                Coding::Raw => AUTHORITY,
                Coding::Huffman => AUTHORITY_HUFFMAN,
            };
            Next::Name { left, unmatched: Some(name) }
        }
        (StringOf::Value, _) => Next::Value { left },
        (StringOf::Authority, _) => {
            Next::Authority { left, coding, authority: Authority::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use httlib_hpack::{Decoder, Encoder};
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    type Field = (Vec<u8>, Vec<u8>, u8);

    /// One way to write a field: the encoder takes each of them.
    fn flags() -> impl Strategy<Value = u8> {
        let form = prop_oneof![
            Just(0),
            Just(Encoder::WITH_INDEXING),
            Just(Encoder::NEVER_INDEXED),
            Just(Encoder::BEST_FORMAT | Encoder::WITH_INDEXING),
        ];
        (form, 0..4u8).prop_map(|(form, huffman)| form | huffman)
    }

    fn fields() -> impl Strategy<Value = Vec<Field>> {
        let authority = prop_oneof![
            Just("http://127.0.0.1:2379".to_owned()),
            Just("localhost:2379".to_owned()),
            Just("%2Ftmp%2Fx.sock".to_owned()),
            r##"[ "%/:.@a-z0-9;=-]{0,40}"##,
            r"\[[%:a-f0-9]{0,8}[\[/:a-z\]]{0,20}",
        ];
        let name = prop_oneof![
            3 => (Just(":authority".to_owned()), authority),
            1 => (Just(":path".to_owned()), "[ -~]{0,20}"),
            4 => ("[a-z-]{1,12}", "[ -~]{0,200}"),
        ];
        let field = (name, flags());
        let field =
            field.prop_map(|((name, value), flags)| (name.into_bytes(), value.into_bytes(), flags));
        prop::collection::vec(field, 1..12)
    }

    fn expected((name, value, flags): &Field) -> Field {
        let mut value = value.clone();
        if name == AUTHORITY {
            Authority::default().rewrite(&mut value);
        }
        (name.clone(), value, *flags)
    }

    /// Rewrites the block in the pieces that these cuts make.
    fn rewritten(mut block: Vec<u8>, cuts: &[Index]) -> Vec<u8> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(block.len() + 1)).collect();
        cuts.extend([0, block.len()]);
        cuts.sort_unstable();
        let mut reader = HeaderBlock::default();
        for piece in cuts.windows(2) {
            reader.rewrite(&mut block[piece[0]..piece[1]]).expect("a good block");
        }
        assert!(reader.is_between_fields());
        block
    }

    fn decoded(mut block: Vec<u8>, decoder: &mut Decoder<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut fields = Vec::new();
        decoder.decode(&mut block, &mut fields).expect("a good block");
        fields.into_iter().map(|(name, value, _)| (name, value)).collect()
    }

    proptest! {
        #[test]
        fn nothing_but_authorities_changes(
            blocks in prop::collection::vec(fields(), 1..4),
            cuts in prop::collection::vec(any::<Index>(), 0..20),
        ) {
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            for fields in blocks {
                let mut block = Vec::new();
                for field in &fields {
                    encoder.encode(field.clone(), &mut block).expect("encoded");
                }
                let seen = decoded(rewritten(block, &cuts), &mut decoder);
                let expected: Vec<_> = fields
                    .iter()
                    .map(|field| {
                        let (name, value, _) = expected(field);
                        (name, value)
                    })
                    .collect();
                prop_assert_eq!(seen, expected);
            }
        }

        #[test]
        fn whatever_comes_is_read_without_a_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = HeaderBlock::default().rewrite(&mut bytes);
        }
    }

    fn check(value: &str, flags: u8, seen: &str) {
        let mut block = Vec::new();
        let field = (AUTHORITY.to_vec(), value.as_bytes().to_vec(), flags);
        Encoder::default().encode(field, &mut block).expect("encoded");
        let seen = [(AUTHORITY.to_vec(), seen.as_bytes().to_vec())];
        let mut reader = HeaderBlock::default();
        for byte in &mut block {
            reader.rewrite(std::slice::from_mut(byte)).expect("a good block");
        }
        assert_eq!(decoded(block, &mut Decoder::default()), seen);
    }

    #[test]
    fn a_list_of_endpoints_loses_its_fragment_sign_in_both_codings() {
        let (sent, raw) =
            ("#initially=[http://a:1;http://b:2]", "'initially=[http:33a:1;http:33b:2]");
        check(sent, Encoder::BEST_FORMAT, raw);
        // Its sign and the letter after it have 17 bits, and so do these two.
        check(sent, Encoder::BEST_FORMAT | Encoder::HUFFMAN_VALUE, &raw.replacen("'i", "'-", 1));
    }

    #[test]
    fn an_endless_integer_is_malformed() {
        let mut bytes = [0xff; 8];
        assert_eq!(HeaderBlock::default().rewrite(&mut bytes), Err(Malformed));
    }
}
