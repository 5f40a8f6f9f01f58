//! Crowds that never finish their handshakes.

use crate::server::Server;
use etcd_tests::process::server_is_ours;
use etcd_visitors::{BEGUN_HANDSHAKE, allows_files};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

const CROWD: usize = 5000;
/// A handshake may take ten seconds; then it is broken off.
const HANDSHAKE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(20);
const REJECTED: &str = "rejected connection on client endpoint";

#[test]
fn thousands_of_half_open_connections_keep_nobody_out() {
    if !allows_files(2 * CROWD as u64 + 1000) {
        eprintln!("skipped: processes may not open the files of {CROWD} connections");
        return;
    }
    let mut server = Server::prepare();
    server.demand_certificates();
    server.serve();
    let caller = server.known("somebody");
    let crowd: Vec<TcpStream> = (0..CROWD)
        .map(|number| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port));
            let mut stream = stream.expect("connected");
            if number % 2 == 1 {
                stream.write_all(&BEGUN_HANDSHAKE).expect("sent");
            }
            stream
        })
        .collect();
    let crowded = Instant::now();
    let mut served = 0;
    while crowded.elapsed() < HANDSHAKE / 4 {
        let asked = Instant::now();
        caller.put(server.port, &["key".to_owned()]).expect("served");
        assert!(asked.elapsed() < HANDSHAKE / 2, "it took {:?}", asked.elapsed());
        served += 1;
    }
    assert!(served > 0, "somebody was served while the crowd was there");
    for mut stream in crowd {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut said = Vec::new();
        let ended = stream.read_to_end(&mut said);
        let waits = ended.err().is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!waits, "a handshake has no end");
    }
    caller.put(server.port, &["key".to_owned()]).expect("served");
    let lines = server.member.process().lines();
    let told = lines.iter().filter(|line| line.contains(REJECTED)).count();
    assert!(told > 0, "they are told of");
    if server_is_ours() {
        assert!(told < CROWD / 2, "{told} lines: a flood must not fill the log");
        let process = server.member.process();
        process.wait_for_line("rejected more connections than are logged", PATIENCE);
    }
}
