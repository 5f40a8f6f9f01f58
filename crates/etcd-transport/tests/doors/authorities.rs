//! Requests to authorities that are none, as some of etcd's clients make them.

use httlib_hpack::Encoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::member::{Member, PATIENCE, listen};

const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;
const END_STREAM_AND_HEADERS: u8 = 0x5;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("small");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A request for `/who`.
fn headers(encoder: &mut Encoder<'_>, stream: u8, authority: &str, flags: u8) -> Vec<u8> {
    let fields =
        [(":method", "GET"), (":scheme", "http"), (":path", "/who"), (":authority", authority)];
    let mut block = Vec::new();
    for (name, value) in fields {
        let field = (name.as_bytes().to_vec(), value.as_bytes().to_vec(), flags);
        encoder.encode(field, &mut block).expect("encoded");
    }
    frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block)
}

/// The first frame that answers a request: its kind and its stream.
async fn answer(stream: &mut TcpStream) -> (u8, u8) {
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await.expect("a frame");
        let [high, middle, low, kind, .., id] = header;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.expect("its payload");
        if [HEADERS, RST_STREAM, GOAWAY].contains(&kind) {
            return (kind, id);
        }
    }
}

async fn check_answered(authority: &str) {
    let member = Member::client_door(listen(&["http://127.0.0.1:0"], None));
    let indexed = Encoder::BEST_FORMAT | Encoder::WITH_INDEXING;
    for flags in [0, Encoder::HUFFMAN_VALUE, indexed, indexed | Encoder::HUFFMAN_VALUE] {
        let mut stream = TcpStream::connect(member.address).await.expect("connected");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("sent");
        let mut encoder = Encoder::default();
        // With an index, the second request has nothing but the index.
        for id in [1, 3] {
            let request = headers(&mut encoder, id, authority, flags);
            stream.write_all(&request).await.expect("sent");
            let answered = timeout(PATIENCE, answer(&mut stream)).await.expect("in time");
            assert_eq!(answered, (HEADERS, id), "{authority}, {flags}");
        }
    }
    member.stop().await;
}

#[tokio::test]
async fn a_request_to_a_url_is_answered() {
    check_answered("http://127.0.0.1:1").await;
}

#[tokio::test]
async fn a_request_to_a_socket_file_is_answered() {
    check_answered("%2Ftmp%2Fx.sock").await;
}

#[tokio::test]
async fn a_request_to_a_list_of_endpoints_is_answered() {
    check_answered("#initially=[http://127.0.0.1:1;http://[::1]:2]").await;
}

#[tokio::test]
async fn a_request_to_an_authority_is_answered() {
    check_answered("localhost:1").await;
}
