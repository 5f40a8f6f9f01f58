//! The deepest messages there are, on stacks that are far too small for recursion.

use super::*;
use crate::decode::tests::on_small_stack;
use crate::{LIMIT, decode_command, encode};
use bytes::Bytes;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::response_op::Response;
use etcd_proto::etcdserverpb::{
    InternalRaftRequest, PutRequest, PutResponse, RequestHeader, RequestOp, ResponseHeader,
    ResponseOp, TxnRequest, TxnResponse,
};
use prost::Message as _;

/// More than any request that was read can have.
const DEEPEST: usize = LIMIT / 2;

fn txn(levels: usize) -> Deep<TxnRequest> {
    let put = Request::RequestPut(PutRequest { key: "k".into(), ..PutRequest::default() });
    let innermost = TxnRequest { success: vec![operation(put)], ..TxnRequest::default() };
    Deep::new((1..levels).fold(innermost, |inner, level| {
        let inner = vec![operation(Request::RequestTxn(inner))];
        // Both lists count.
        let (success, failure) = if level % 2 == 0 { (inner, vec![]) } else { (vec![], inner) };
        TxnRequest { success, failure, ..TxnRequest::default() }
    }))
}

fn operation(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn response(levels: usize) -> Deep<TxnResponse> {
    Deep::new((1..levels).fold(TxnResponse::default(), |inner, _| {
        let response = Some(Response::ResponseTxn(inner));
        TxnResponse { responses: vec![ResponseOp { response }], ..TxnResponse::default() }
    }))
}

#[test]
fn levels_are_counted() {
    for levels in [1, 2, 3, 100] {
        assert_eq!(txn(levels).levels(), levels);
        assert_eq!(response(levels).levels(), levels);
    }
}

#[test]
fn the_deepest_messages_are_made_compared_and_dropped_on_a_small_stack() {
    on_small_stack(|| {
        let request = txn(DEEPEST);
        assert_eq!(request.clone(), request);
        let response = response(DEEPEST);
        assert_eq!(response.clone(), response);
    });
}

#[test]
fn the_deepest_command_is_written_and_read_on_a_small_stack() {
    on_small_stack(|| {
        let txn = Some(txn(DEEPEST - 1).into_inner());
        let header = Some(RequestHeader { id: 7, ..RequestHeader::default() });
        let command =
            Deep::new(InternalRaftRequest { header, txn, ..InternalRaftRequest::default() });
        let read = decode_command(encode(&*command)).expect("a command");
        assert_eq!(read, command);
    });
}

#[test]
fn the_deepest_response_is_written_on_a_small_stack() {
    on_small_stack(|| {
        let bytes = encode(&*response(DEEPEST));
        assert!(bytes.len() > DEEPEST * 2);
    });
}

#[test]
fn other_commands_are_read_as_they_are() {
    let put = Some(PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() });
    let command = InternalRaftRequest { put, id: 3, ..InternalRaftRequest::default() };
    let bytes = Bytes::from(command.encode_to_vec());
    assert_eq!(decode_command(bytes.clone()), Ok(command.into()));
    assert!(decode_command(bytes.slice(..bytes.len() - 1)).is_err());
}

#[test]
fn a_response_is_written_as_prost_writes_it() {
    let header = Some(ResponseHeader { revision: 3, ..ResponseHeader::default() });
    let put = PutResponse { header, ..PutResponse::default() };
    let responses = vec![
        ResponseOp { response: Some(Response::ResponsePut(put)) },
        ResponseOp { response: None },
        ResponseOp { response: Some(Response::ResponseTxn(response(3).into_inner())) },
    ];
    for succeeded in [false, true] {
        let response = TxnResponse { header, succeeded, responses: responses.clone() };
        assert_eq!(encode(&response), response.encode_to_vec());
    }
}

#[test]
fn a_command_with_a_nested_txn_is_written_as_prost_writes_it() {
    let header = Some(RequestHeader { id: 7, username: "u".to_owned(), auth_revision: 2 });
    let txn = Some(txn(3).into_inner());
    let command = InternalRaftRequest { header, id: 5, txn, ..InternalRaftRequest::default() };
    let read = InternalRaftRequest::decode(encode(&command)).expect("a command");
    assert_eq!(read, command);
    assert_eq!(encode(&command).len(), command.encoded_len());
}
