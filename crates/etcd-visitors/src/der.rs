//! As much of DER as it takes to rewrite a certificate.

/// The bit that only context gives a meaning to.
const CONTEXT: u8 = 0xa0;

/// The body of a certificate, and what says how it is signed.
pub(crate) struct Parts<'d> {
    pub(crate) body: Vec<&'d [u8]>,
    pub(crate) algorithm: &'d [u8],
}

impl<'d> Parts<'d> {
    /// Takes a certificate apart.
    pub(crate) fn of(certificate: &'d [u8]) -> Parts<'d> {
        let [body, algorithm, _] = elements(content(certificate))[..] else {
            panic!("a certificate has three parts")
        };
        Parts { body: elements(content(body)), algorithm }
    }
}

/// Whether an element of a body is its version or its extensions, which stand there by context.
pub(crate) fn is_by_context(element: &[u8]) -> bool {
    element[0] >= CONTEXT
}

/// Elements in a row, as one.
pub(crate) fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(0x30, &elements.concat())
}

/// Whole bytes, as bits.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], bytes].concat())
}

/// How many bytes a DER element's head has, and how many its content.
fn lengths(der: &[u8]) -> (usize, usize) {
    match der[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
        _ => panic!("no certificate is that long"),
    }
}

fn content(der: &[u8]) -> &[u8] {
    let (head, content) = lengths(der);
    &der[head..head + content]
}

fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while !der.is_empty() {
        let (head, content) = lengths(der);
        let (element, rest) = der.split_at(head + content);
        all.push(element);
        der = rest;
    }
    all
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    match content.len() {
        0..0x80 => [&[tag, length[1]], content].concat(),
        0x80..0x100 => [&[tag, 0x81, length[1]], content].concat(),
        _ => [&[tag, 0x82, length[0], length[1]], content].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_any_length_are_found_again() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x1234] {
            let bytes = vec![7; length];
            let two = sequence(&[&element(0x04, &bytes), &bits(&bytes)]);
            let found = elements(content(&two));
            assert_eq!(found.len(), 2, "{length}");
            assert_eq!((content(found[0]), content(found[1])[0]), (&bytes[..], 0), "{length}");
            assert_eq!(&content(found[1])[1..], bytes, "{length}");
        }
    }
}
