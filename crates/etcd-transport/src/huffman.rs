//! HPACK's Huffman code (RFC 7541, appendix B), read bit by bit.

/// How many bits each symbol's code word has; the last symbol is the end of string.
///
/// The code is canonical: among words of one length, and from each length to the next, they count
/// upwards in the order of the symbols. So the lengths are the whole code.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The longest code word.
const LONGEST: usize = 30;

static CODE: Code = Code::new();

/// The code, arranged for reading.
struct Code {
    /// The symbols in the order of their code words.
    symbols: [u16; LENGTHS.len()],
    /// By length: how many code words have it.
    count: [u32; LONGEST + 1],
    /// By length: its lowest code word.
    lowest: [u32; LONGEST + 1],
    /// By length: where the symbol of that word stands in `symbols`.
    place: [usize; LONGEST + 1],
}

impl Code {
    const fn new() -> Code {
        let mut code = Code {
            symbols: [0; LENGTHS.len()],
            count: [0; LONGEST + 1],
            lowest: [0; LONGEST + 1],
            place: [0; LONGEST + 1],
        };
        let (mut next, mut word, mut length) = (0, 0, 1);
        while length <= LONGEST {
            word <<= 1;
            (code.lowest[length], code.place[length]) = (word, next);
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[next] = symbol as u16;
                    code.count[length] += 1;
                    (next, word) = (next + 1, word + 1);
                }
                symbol += 1;
            }
            length += 1;
        }
        code
    }

    fn symbol(&self, word: u32, length: usize) -> Option<u16> {
        let nth = word.wrapping_sub(self.lowest[length]);
        (nth < self.count[length]).then(|| self.symbols[self.place[length] + nth as usize])
    }
}

/// A whole code word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// The byte it stands for, or 256, the end of string.
    pub(crate) symbol: u16,
    /// The symbol that only the last bit tells from this one.
    pub(crate) twin: Option<u16>,
}

/// The way from the root of the code's tree to where the bits have led.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) word: u32,
    pub(crate) length: usize,
}

impl Walk {
    /// Takes one bit. At a code word's end it gives the word and begins anew.
    pub(crate) fn step(&mut self, bit: bool) -> Option<Leaf> {
        let (word, length) = (self.word << 1 | u32::from(bit), self.length + 1);
        *self = Walk { word, length };
        let symbol = CODE.symbol(word, length)?;
        *self = Walk::default();
        Some(Leaf { symbol, twin: CODE.symbol(word ^ 1, length) })
    }
}

#[cfg(test)]
mod tests {
    use httlib_hpack::Encoder;

    use super::*;

    /// One string, Huffman coded by somebody else's encoder.
    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        let field = (b"x".to_vec(), bytes.to_vec(), Encoder::HUFFMAN_VALUE);
        Encoder::default().encode(field, &mut block).expect("encoded");
        // The literal's first byte, the name's length and the name, the value's length.
        assert!(block[3] & 0x7f < 0x7f, "a length of one byte");
        block.split_off(4)
    }

    #[test]
    fn every_byte_is_read_as_it_was_written() {
        for byte in 0..=u8::MAX {
            let bytes = [byte, b'a', byte];
            let mut walk = Walk::default();
            let mut read = Vec::new();
            for coded in encoded(&bytes) {
                for shift in (0..8).rev() {
                    read.extend(walk.step(coded >> shift & 1 == 1).map(|leaf| leaf.symbol));
                }
            }
            assert_eq!(read, bytes.map(u16::from), "{byte}");
            assert!(walk.length < 8 && walk.word == (1 << walk.length) - 1, "only padding is left");
        }
    }

    #[test]
    fn every_way_ends_at_a_code_word() {
        let mut walk = Walk::default();
        for _ in 1..LONGEST {
            assert_eq!(walk.step(true), None);
        }
        assert_eq!(walk.step(true), Some(Leaf { symbol: 256, twin: Some(22) }));
        assert_eq!(walk, Walk::default());
    }
}
