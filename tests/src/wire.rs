//! Protobuf by hand, for messages that no library would write.

/// Bytes of a message or of a part of one.
pub type Wire = Vec<u8>;

/// A number as protobuf writes it, seven bits a byte.
pub fn varint(mut number: u64) -> Wire {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// The head of a field: its number and how its content is written.
pub fn key(field: u64, wire_type: u64) -> Wire {
    varint(field << 3 | wire_type)
}

/// A field with bytes: text, a message or just bytes.
pub fn bytes(field: u64, content: &[u8]) -> Wire {
    [&key(field, 2), &varint(content.len() as u64), content].concat()
}

/// A field with a number. Negative ones are ten bytes long.
pub fn number(field: u64, number: i64) -> Wire {
    [key(field, 0), varint(number.cast_unsigned())].concat()
}

/// Parts in a row.
pub fn all<const N: usize>(parts: [&[u8]; N]) -> Wire {
    parts.concat()
}

/// Groups inside each other, all closed, as fields with this number.
pub fn groups(field: u64, depth: usize) -> Wire {
    [key(field, 3).repeat(depth), key(field, 4).repeat(depth)].concat()
}

/// Txns inside each other's first list; the innermost has these fields.
pub fn txns(depth: usize, innermost: &[u8]) -> Wire {
    // The heads of the messages from the inside out, each counting the bytes inside it.
    let mut heads = Vec::new();
    let mut length = innermost.len();
    for _ in 1..depth {
        for field in [4, 2] {
            let head = all([&key(field, 2), &varint(length as u64)]);
            length += head.len();
            heads.push(head);
        }
    }
    heads.reverse();
    heads.push(innermost.to_vec());
    heads.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn txns_are_nested_as_the_messages_say() {
        let by_hand = bytes(2, &bytes(4, &bytes(2, &bytes(4, b"..."))));
        assert_eq!(txns(3, b"..."), by_hand);
        assert_eq!(txns(1, b"..."), b"...");
    }
}
