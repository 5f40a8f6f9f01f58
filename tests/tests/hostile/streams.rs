//! Calls that are begun and never finished.

use crate::case::Server;
use etcd_tests::cluster::eventually;
use etcd_tests::raw::Open;
use etcd_tests::{Call, Raw, wire};
use std::time::Duration;

/// More than any sane client has.
const STREAMS: usize = 1_000;
const CONNECTIONS: usize = 50;

/// The open files of the server's process.
fn descriptors(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.member.process().id());
    std::fs::read_dir(folder).expect("the process runs").count()
}

fn unfinished() -> [Call; 4] {
    let message = wire::bytes(1, b"k");
    let put = || Call::new("KV/Put");
    [
        put().unfinished(),
        put().bytes(&[0, 0]).unfinished(),
        put().frame(0, 100, &message).unfinished(),
        Call::new("Watch/Watch").unfinished(),
    ]
}

#[test]
fn half_open_calls_disturb_nobody_and_leave_nothing_behind() {
    let server = Server::start(&[]);
    // With its first write it opens files that it keeps.
    server.check_serving();
    let before = descriptors(&server);
    let connections: Vec<Raw> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    let mut open: Vec<Open> = Vec::new();
    for (number, call) in unfinished().into_iter().cycle().take(STREAMS).enumerate() {
        open.push(connections[number % CONNECTIONS].open(call));
    }
    // On the same connections others are served, behind all that was begun before.
    for connection in &connections {
        let answer = connection.call("KV/Range", &wire::bytes(1, b"k"));
        assert_eq!(answer.to_string(), "OK");
    }
    server.check_serving();
    assert!(open.iter().all(Open::is_unanswered), "what was not asked cannot be answered");
    // Half of them are reset, then all connections close.
    open.truncate(STREAMS / 2);
    server.check_serving();
    drop((open, connections));
    let limit = Duration::from_secs(10);
    eventually(limit, "no descriptor left behind", || {
        (descriptors(&server) <= before).then_some(())
    });
    server.check_serving();
}

#[test]
fn connections_that_say_nothing_or_nonsense_disturb_nobody() {
    use std::io::{Read as _, Write as _};
    let server = Server::start(&[]);
    let address = server.member.client_url.strip_prefix("http://").expect("no TLS").to_owned();
    let connect = || std::net::TcpStream::connect(&address).expect("a member listens");
    let silent: Vec<_> = (0..20).map(|_| connect()).collect();
    for nonsense in [
        &b"\x00\x01\x02\x03\xff\xff\xff\xff"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame at all",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x04\x00\x00\x00\x00\x00",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
    ] {
        let mut socket = connect();
        socket.write_all(nonsense).expect("it is taken");
        socket.shutdown(std::net::Shutdown::Write).expect("it is open");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        // Whatever it says, it ends the connection.
        let mut answer = Vec::new();
        match socket.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    server.check_serving();
    drop(silent);
    server.check_serving();
}
