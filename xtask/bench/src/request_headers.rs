//! Header blocks of requests: after the first of each method nothing but indexes (RFC 7541).

/// Methods that loads call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Put,
    Range,
    RangeStream,
    Txn,
    Watch,
    LeaseGrant,
    LeaseKeepAlive,
}

impl Method {
    fn path(self) -> &'static str {
        match self {
            Method::Put => "/etcdserverpb.KV/Put",
            Method::Range => "/etcdserverpb.KV/Range",
            Method::RangeStream => "/etcdserverpb.KV/RangeStream",
            Method::Txn => "/etcdserverpb.KV/Txn",
            Method::Watch => "/etcdserverpb.Watch/Watch",
            Method::LeaseGrant => "/etcdserverpb.Lease/LeaseGrant",
            Method::LeaseKeepAlive => "/etcdserverpb.Lease/LeaseKeepAlive",
        }
    }
}

/// Entries of the static table: whole fields, and fields of which only the name counts.
const METHOD_POST: usize = 3;
const SCHEME_HTTP: usize = 6;
const AUTHORITY: usize = 1;
const PATH: usize = 4;
const CONTENT_TYPE: usize = 31;
const USER_AGENT: usize = 58;
/// Entries of the static table together: the dynamic table's come behind them.
const STATIC: usize = 61;
/// What an entry of the table counts beside its name and value.
const ENTRY_BYTES: usize = 32;
/// The table is never larger, whatever the server allows: it is what both sides begin with.
const TABLE_BYTES: usize = 4096;

/// First bits of the representations of a field, and how many bits an integer has beside them.
const INDEXED: (u8, u8) = (0x80, 7);
const ADDED: (u8, u8) = (0x40, 6);
const PLAIN: (u8, u8) = (0x00, 4);
const NEW_SIZE: (u8, u8) = (0x20, 5);

/// A name that stands in the static table, or one that does not.
#[derive(Debug, Clone, Copy)]
enum Name {
    Static(usize),
    New(&'static str),
}

/// Writes header blocks, and knows the table that the server's decoder has.
#[derive(Debug)]
pub(crate) struct RequestHeaders {
    authority: String,
    /// The fields in the table, oldest first, by what they were asked for with. It only grows
    /// until the server wants another size: a handful of fields fits.
    added: Vec<String>,
    table_bytes: usize,
    limit_bytes: usize,
    /// The next block has to say that the table was emptied and is as large as it is now.
    resized: bool,
}

impl RequestHeaders {
    pub(crate) fn new(authority: String) -> RequestHeaders {
        RequestHeaders {
            authority,
            added: Vec::new(),
            table_bytes: 0,
            limit_bytes: TABLE_BYTES,
            resized: false,
        }
    }

    /// Takes the server's wish for the table.
    pub(crate) fn limit_table(&mut self, bytes: u32) {
        let limit_bytes = TABLE_BYTES.min(bytes as usize);
        if limit_bytes != self.limit_bytes {
            self.added.clear();
            self.table_bytes = 0;
            self.limit_bytes = limit_bytes;
            self.resized = true;
        }
    }

    /// Appends the block of a request.
    pub(crate) fn write(&mut self, method: Method, out: &mut Vec<u8>) {
        if self.resized {
            self.resized = false;
            integer(out, NEW_SIZE, 0);
            integer(out, NEW_SIZE, self.limit_bytes);
        }
        integer(out, INDEXED, METHOD_POST);
        integer(out, INDEXED, SCHEME_HTTP);
        self.field(out, Name::Static(PATH), method.path());
        let authority = std::mem::take(&mut self.authority);
        self.field(out, Name::Static(AUTHORITY), &authority);
        self.authority = authority;
        self.field(out, Name::New("te"), "trailers");
        self.field(out, Name::Static(CONTENT_TYPE), "application/grpc");
        self.field(out, Name::Static(USER_AGENT), "grpc-xtask-bench/1.0");
    }

    /// No two fields have the same value, so that the value finds the entry.
    fn field(&mut self, out: &mut Vec<u8>, name: Name, value: &str) {
        if let Some(place) = self.added.iter().position(|added| added == value) {
            return integer(out, INDEXED, STATIC + self.added.len() - place);
        }
        let name_bytes = match name {
            Name::Static(AUTHORITY) => ":authority".len(),
            Name::Static(PATH) => ":path".len(),
            Name::Static(CONTENT_TYPE) => "content-type".len(),
            Name::Static(_) => "user-agent".len(),
            Name::New(name) => name.len(),
        };
        let entry_bytes = name_bytes + value.len() + ENTRY_BYTES;
        let form = if self.table_bytes + entry_bytes <= self.limit_bytes {
            self.table_bytes += entry_bytes;
            self.added.push(value.to_owned());
            ADDED
        } else {
            PLAIN
        };
        match name {
            Name::Static(index) => integer(out, form, index),
            Name::New(name) => {
                integer(out, form, 0);
                string(out, name);
            }
        }
        string(out, value);
    }
}

/// An integer behind the first bits of a representation (RFC 7541, section 5.1).
fn integer(out: &mut Vec<u8>, (first, bits): (u8, u8), value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        return out.push(first | value as u8);
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A string as it is, without Huffman's code.
fn string(out: &mut Vec<u8>, text: &str) {
    integer(out, (0, 7), text.len());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use httlib_hpack::Decoder;

    fn decoded(decoder: &mut Decoder, mut block: Vec<u8>) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        decoder.decode(&mut block, &mut fields).expect("a block of ours");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        fields.into_iter().map(|(name, value, _)| (text(name), text(value))).collect()
    }

    fn fields(path: &str) -> Vec<(String, String)> {
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "127.0.0.1:2379"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "grpc-xtask-bench/1.0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn the_second_block_of_a_method_is_indexes_and_means_the_same() {
        let mut headers = RequestHeaders::new("127.0.0.1:2379".to_owned());
        let mut decoder = Decoder::default();
        for (method, path, bytes) in [
            (Method::Put, "/etcdserverpb.KV/Put", None),
            (Method::Put, "/etcdserverpb.KV/Put", Some(7)),
            (Method::Txn, "/etcdserverpb.KV/Txn", None),
            (Method::Put, "/etcdserverpb.KV/Put", Some(7)),
            (Method::Txn, "/etcdserverpb.KV/Txn", Some(7)),
        ] {
            let mut block = Vec::new();
            headers.write(method, &mut block);
            assert!(bytes.is_none_or(|bytes| block.len() == bytes));
            assert_eq!(decoded(&mut decoder, block), fields(path));
        }
    }

    #[test]
    fn a_server_may_want_a_smaller_table_or_none_at_any_time() {
        let mut headers = RequestHeaders::new("127.0.0.1:2379".to_owned());
        let mut decoder = Decoder::default();
        for limit in [4096, 100, 0, 300, 1 << 20] {
            headers.limit_table(limit);
            for _ in 0..2 {
                let mut block = Vec::new();
                headers.write(Method::Range, &mut block);
                assert_eq!(decoded(&mut decoder, block), fields("/etcdserverpb.KV/Range"));
                assert_eq!(decoder.max_dynamic_size(), limit.min(4096));
            }
        }
    }
}
