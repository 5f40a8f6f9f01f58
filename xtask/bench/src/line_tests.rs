//! A line against the server of another HTTP/2 library, which does what members seldom do.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use etcd_proto::etcdserverpb::{PutRequest, RangeRequest};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::Code;

use super::*;

type Incoming = (Request<RecvStream>, SendResponse<Bytes>);

/// Serves one connection; every request goes to `answer`.
async fn serve<F>(
    builder: Builder,
    answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a client");
        let mut connection = builder.handshake(socket).await.expect("HTTP/2");
        while let Some(incoming) = connection.accept().await {
            let (request, respond): Incoming = incoming.expect("a request");
            tokio::spawn(answer(request, respond));
        }
    });
    address
}

/// All bytes of a request.
async fn read(request: Request<RecvStream>) -> Vec<u8> {
    let (mut body, mut bytes) = (request.into_body(), Vec::new());
    while let Some(data) = body.data().await {
        let data = data.expect("data");
        bytes.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len()).expect("what arrived");
    }
    bytes
}

fn framed(message: &[u8]) -> Bytes {
    let length = (message.len() as u32).to_be_bytes();
    Bytes::from([&[0][..], &length, message].concat())
}

/// Sends all of it, as the client allows.
async fn write(stream: &mut SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = poll_fn(|context| stream.poll_capacity(context)).await;
        let room = room.expect("an open stream").expect("room");
        stream.send_data(bytes.split_to(room.min(bytes.len())), false).expect("an open stream");
    }
}

fn trailers(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers
}

/// Answers with the message and with success.
async fn succeed(mut respond: SendResponse<Bytes>, message: &[u8]) {
    let mut stream = respond.send_response(Response::new(()), false).expect("an open stream");
    write(&mut stream, framed(message)).await;
    stream.send_trailers(trailers("0")).expect("an open stream");
}

fn put(bytes: usize) -> PutRequest {
    PutRequest { value: Bytes::from(vec![7; bytes]), ..PutRequest::default() }
}

fn code<T>(outcome: Result<T, Status>) -> Code {
    outcome.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn requests_have_the_headers_of_an_ordinary_client() {
    let address = serve(Builder::new(), |request, respond| async move {
        let header = |name: &str| request.headers()[name].to_str().expect("text").to_owned();
        let described = format!(
            "{} {} {} {} {}",
            request.method(),
            request.uri(),
            header("te"),
            header("content-type"),
            header("user-agent")
        );
        read(request).await;
        succeed(respond, described.as_bytes()).await;
    })
    .await;
    let line = Line::open(address).await.expect("a line");
    for _ in 0..3 {
        let answer = line.ask(Method::Put, &put(3)).await.expect("an answer");
        let wanted = format!(
            "POST http://{address}/etcdserverpb.KV/Put trailers application/grpc \
             grpc-xtask-bench/1.0"
        );
        assert_eq!(answer.message(), wanted.as_bytes());
    }
}

#[tokio::test]
async fn answers_go_to_those_who_asked() {
    const CALLERS: u8 = 100;
    let (arrive, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(Builder::new(), move |request, respond| {
        let arrive = arrive.clone();
        async move {
            let asked = read(request).await;
            arrive.send((asked[7], respond)).expect("the other task collects");
        }
    })
    .await;
    tokio::spawn(async move {
        let mut all = Vec::new();
        while all.len() < usize::from(CALLERS) {
            all.push(arrived.recv().await.expect("more callers"));
        }
        // Who asked last is answered first.
        for (number, respond) in all.into_iter().rev() {
            succeed(respond, &[number]).await;
        }
    });
    let line = Line::open(address).await.expect("a line");
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let line = line.clone();
        callers.spawn(async move {
            let key = Bytes::from(vec![number]);
            let request = PutRequest { key, ..PutRequest::default() };
            let answer = line.ask(Method::Put, &request).await.expect("an answer");
            assert_eq!(answer.message(), [number]);
        });
    }
    callers.join_all().await;
}

#[tokio::test]
async fn requests_and_answers_of_many_frames_pass_small_windows() {
    let mut builder = Builder::new();
    builder.initial_window_size(1000).initial_connection_window_size(70_000);
    builder.max_concurrent_streams(3).header_table_size(0);
    let address = serve(builder, |request, respond| async move {
        let asked = read(request).await;
        succeed(respond, &asked[5..]).await;
    })
    .await;
    let line = Line::open(address).await.expect("a line");
    let mut callers = JoinSet::new();
    for number in 0..8 {
        let line = line.clone();
        callers.spawn(async move {
            let request = put(100_000 * number + 1);
            let answer = line.ask(Method::Put, &request).await.expect("an answer");
            assert_eq!(PutRequest::decode(answer.message()).expect("the request"), request);
        });
    }
    callers.join_all().await;
}

#[tokio::test]
async fn an_answer_may_be_larger_than_all_windows() {
    const BYTES: usize = 40 << 20;
    let address = serve(Builder::new(), |request, respond| async move {
        read(request).await;
        succeed(respond, &vec![1; BYTES]).await;
    })
    .await;
    let line = Line::open(address).await.expect("a line");
    let call = line.call(Method::Range).await.expect("a call");
    call.send(&RangeRequest::default(), End::Last);
    let (mut part, mut bytes, mut end) = (Vec::new(), 0, End::More);
    while end == End::More {
        end = call.take(&mut part, Awaited::Bytes).await.expect("a part");
        bytes += part.len();
    }
    assert_eq!(bytes, BYTES + 5);
    let answer = line.ask(Method::Put, &put(1)).await.expect("the line is whole");
    assert_eq!(answer.message().len(), BYTES);
}

#[tokio::test]
async fn failures_come_with_their_message_or_their_reason() {
    let address = serve(Builder::new(), |request, mut respond| async move {
        let asked = read(request).await;
        match asked.len() {
            // Trailers alone.
            5 => {
                let mut response = Response::new(());
                *response.headers_mut() = trailers("9");
                let text = HeaderValue::from_static("not%20now");
                response.headers_mut().insert("grpc-message", text);
                respond.send_response(response, true).expect("an open stream");
            }
            // An answer that fails at its end.
            8 => {
                let mut stream =
                    respond.send_response(Response::new(()), false).expect("an open stream");
                write(&mut stream, framed(b"half")).await;
                stream.send_trailers(trailers("5")).expect("an open stream");
            }
            9 => respond.send_reset(Reason::REFUSED_STREAM),
            10 => respond.send_reset(Reason::CANCEL),
            // An answer without trailers.
            11 => {
                let mut stream =
                    respond.send_response(Response::new(()), false).expect("an open stream");
                stream.send_data(framed(b"whole"), true).expect("an open stream");
            }
            _ => succeed(respond, b"fine").await,
        }
    })
    .await;
    let line = Line::open(address).await.expect("a line");
    let refused = line.ask(Method::Put, &put(0)).await.expect_err("trailers alone");
    assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, "not now"));
    for (bytes, wanted) in
        [(1, Code::NotFound), (2, Code::Unavailable), (3, Code::Cancelled), (4, Code::Internal)]
    {
        assert_eq!(code(line.ask(Method::Put, &put(bytes)).await), wanted);
        assert_eq!(code(line.ask(Method::Put, &put(9)).await), Code::Ok);
    }
}

#[tokio::test]
async fn a_farewell_ends_later_calls_and_those_the_server_has_not_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a client");
        let mut connection = h2::server::handshake(socket).await.expect("HTTP/2");
        let (_, respond): Incoming =
            connection.accept().await.expect("a request").expect("a request");
        connection.graceful_shutdown();
        tokio::spawn(succeed(respond, b"still"));
        while connection.accept().await.is_some() {}
    });
    let line = Line::open(address).await.expect("a line");
    let answer = line.ask(Method::Put, &put(1)).await.expect("it was taken before");
    assert_eq!(answer.message(), b"still");
    assert_eq!(code(line.ask(Method::Put, &put(1)).await), Code::Unavailable);
}

#[tokio::test]
async fn a_lost_connection_ends_all_calls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a client");
        let mut connection = h2::server::handshake(socket).await.expect("HTTP/2");
        // The connection goes with the requests it brought.
        let _request = connection.accept().await.expect("a request").expect("a request");
    });
    let line = Line::open(address).await.expect("a line");
    assert_eq!(code(line.ask(Method::Put, &put(1)).await), Code::Unavailable);
    assert_eq!(code(line.ask(Method::Put, &put(1)).await), Code::Unavailable);
    assert!(Line::open(address).await.is_err());
}

#[tokio::test]
async fn many_messages_go_both_ways_on_one_call_until_it_is_dropped() {
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let address = serve(Builder::new(), move |request, mut respond| {
        let ended = ended.clone();
        async move {
            let mut stream =
                respond.send_response(Response::new(()), false).expect("an open stream");
            let mut body = request.into_body();
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).expect("what arrived");
                write(&mut stream, data).await;
            }
            let reason = poll_fn(|context| stream.poll_reset(context)).await;
            ended.send(reason.expect("a reset")).await.expect("the test waits");
        }
    })
    .await;
    let line = Line::open(address).await.expect("a line");
    let call = line.call(Method::LeaseKeepAlive).await.expect("a call");
    let mut bytes = Vec::new();
    for number in 1..50 {
        call.send(&put(number), End::More);
        let end = call.take(&mut bytes, Awaited::Bytes).await.expect("an echo");
        assert_eq!((end, &bytes[..]), (End::More, &framed(&put(number).encode_to_vec())[..]));
    }
    drop(call);
    assert_eq!(end.recv().await, Some(Reason::CANCEL));
}
