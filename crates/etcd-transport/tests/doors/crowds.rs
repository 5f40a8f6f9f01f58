//! Clients that come in crowds and never finish their handshakes.

use std::time::{Duration, Instant};

use etcd_transport::ListenOptions;
use etcd_visitors::{BEGUN_HANDSHAKE, allows_files};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::identity::World;
use crate::journal::Journal;
use crate::member::{Member, PATIENCE, check_health, listen, who};

const CROWD: usize = 5000;
/// The log may have so many lines of refusals for each second and one that counts the rest.
const LINES: usize = 100;
const REJECTED: &str = "rejected connection on client endpoint";

/// Connections of which every second one has begun a handshake.
async fn crowd(member: &Member, size: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(size);
    for number in 0..size {
        let mut stream = TcpStream::connect(member.address).await.expect("connected");
        if number % 2 == 1 {
            stream.write_all(&BEGUN_HANDSHAKE).await.expect("sent");
        }
        crowd.push(stream);
    }
    crowd
}

/// Waits until the member closes a connection.
async fn wait_for_end(stream: &mut TcpStream) {
    let mut said = Vec::new();
    // However it ends, it ends.
    let ended = timeout(PATIENCE * 4, stream.read_to_end(&mut said)).await;
    let _ = ended.expect("a handshake that does not end is broken off");
}

#[tokio::test]
async fn thousands_who_never_finish_keep_nobody_out_and_do_not_fill_the_log() {
    if !allows_files(2 * CROWD as u64 + 500) {
        eprintln!("skipped: this process may not open the files of {CROWD} connections");
        return;
    }
    let mut journal = Journal::open();
    let world = World::new();
    let member = Member::client_door(ListenOptions {
        handshake_timeout: Duration::from_secs(3),
        max_handshakes: 2 * CROWD,
        ..listen(&["https://127.0.0.1:0"], Some(world.server()))
    });
    let begun = Instant::now();
    let mut crowd = crowd(&member, CROWD).await;
    let (client, url) = (world.client(&world.trusted, "somebody"), member.url("https"));
    for _ in 0..10 {
        let asked = Instant::now();
        who(&client, &url).await.expect("served");
        check_health(&client, std::slice::from_ref(&url)).await.expect("served");
        assert!(asked.elapsed() < PATIENCE, "it took {:?}", asked.elapsed());
    }
    for stream in &mut crowd {
        wait_for_end(stream).await;
    }
    // The line that counts the rest comes a second after the first that was left out.
    let (mut written, mut left_out) = (0, 0);
    while written + left_out < CROWD {
        let line = journal.line_with(&["rejected"]).await;
        if line.contains(REJECTED) {
            assert!(line.contains("TLS handshake took longer than 3s"), "{line}");
            written += 1;
        } else {
            let (_, count) = line.split_once("count=").expect("a count of the rest");
            left_out += count.trim().parse::<usize>().expect("a number");
        }
    }
    assert_eq!(written + left_out, CROWD, "each is told of once");
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("few") + 1;
    assert!(written <= LINES * seconds, "{written} lines in {seconds} s");
    member.stop().await;
}

#[tokio::test]
async fn who_is_silent_makes_room_for_who_speaks() {
    let mut journal = Journal::open();
    let world = World::new();
    let member = Member::client_door(ListenOptions {
        max_connections: 20,
        max_handshakes: 10,
        ..listen(&["https://127.0.0.1:0"], Some(world.server()))
    });
    let begun = Instant::now();
    let mut crowd = crowd(&member, 60).await;
    let client = world.client(&world.trusted, "somebody");
    who(&client, &member.url("https")).await.expect("served");
    for stream in &mut crowd[..50] {
        wait_for_end(stream).await;
    }
    assert!(begun.elapsed() < PATIENCE, "not by the time limit of 10 s");
    journal.line_with(&[REJECTED, "127.0.0.1:", "more than 10 handshakes under way"]).await;
    member.stop().await;
}

#[tokio::test]
async fn a_handshake_byte_by_byte_has_no_more_time_than_another() {
    let mut journal = Journal::open();
    let world = World::new();
    let member = Member::client_door(ListenOptions {
        handshake_timeout: Duration::from_millis(300),
        ..listen(&["https://127.0.0.1:0"], Some(world.server()))
    });
    let mut slow = TcpStream::connect(member.address).await.expect("connected");
    let address = slow.local_addr().expect("an address").to_string();
    let drip = async {
        for byte in BEGUN_HANDSHAKE.into_iter().chain(std::iter::repeat(0)) {
            if slow.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let client = world.client(&world.trusted, "somebody");
    let url = member.url("https");
    let (dripped, served) = tokio::join!(timeout(PATIENCE, drip), who(&client, &url));
    served.expect("served meanwhile");
    dripped.expect("broken off");
    journal.line_with(&[REJECTED, &address, "TLS handshake took longer than 300ms"]).await;
    member.stop().await;
    assert!(!journal.lines().iter().any(|line| line.contains(REJECTED)), "one line for one client");
}

/// Sends the head of a request.
async fn ask(member: &Member, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(member.address).await.expect("connected");
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream
}

async fn first_line(stream: &mut TcpStream) -> String {
    let mut said = [0; 1024];
    let length = stream.read(&mut said).await.expect("an answer");
    String::from_utf8_lossy(&said[..length]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_connection_that_became_something_else_keeps_its_place() {
    let options = ListenOptions { max_connections: 1, ..listen(&["http://127.0.0.1:0"], None) };
    let member = Member::client_door(options);
    let mut other = ask(&member, "/other", "connection: upgrade\r\nupgrade: other\r\n").await;
    assert_eq!(first_line(&mut other).await, "HTTP/1.1 101 Switching Protocols");
    let mut waiting = ask(&member, "/who", "").await;
    other.write_all(b"still here\n").await.expect("sent");
    assert_eq!(first_line(&mut other).await, "still here");
    let served = timeout(Duration::from_millis(300), first_line(&mut waiting)).await;
    assert!(served.is_err(), "there is one place only: {served:?}");
    drop(other);
    let served = timeout(PATIENCE, first_line(&mut waiting)).await.expect("there is a place");
    assert_eq!(served, "HTTP/1.1 200 OK");
    member.stop().await;
}
