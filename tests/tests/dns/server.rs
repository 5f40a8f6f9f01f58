//! A DNS server with the records of one domain, on the bridge between the members.

use etcd_tests::cluster::ADDRESSES;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where the members find it: the bridge's own address.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 52, 1);

/// The domain: `m1` to `m3` in it are the members.
pub(crate) const DOMAIN: &str = "cluster.test";

const DNS_PORT: u16 = 53;
const PEER_PORT: u16 = 2380;
/// How long names may be remembered, in seconds.
const TTL: u32 = 1;
/// How often it looks whether it is wanted any more.
const LOOK: Duration = Duration::from_millis(50);

/// A server that answers until it is dropped.
pub(crate) struct Server {
    is_wanted: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// A server that knows of these services, such as `_etcd-server._tcp`, each of all members.
    pub(crate) fn start(services: &[&str]) -> Server {
        let socket = UdpSocket::bind((ADDRESS, DNS_PORT)).expect("the port is free on the bridge");
        socket.set_read_timeout(Some(LOOK)).expect("a time above zero");
        let services: Vec<Name> =
            services.iter().map(|service| name(&format!("{service}.{DOMAIN}."))).collect();
        let is_wanted = Arc::new(AtomicBool::new(true));
        let goes_on = is_wanted.clone();
        let thread = std::thread::spawn(move || {
            let mut packet = [0; 4096];
            while goes_on.load(Ordering::Relaxed) {
                let Ok((length, asker)) = socket.recv_from(&mut packet) else { continue };
                answer(&socket, &packet[..length], asker, &services);
            }
        });
        Server { is_wanted, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_wanted.store(false, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_none_or(|ended| ended.is_ok()) || std::thread::panicking());
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn answer(socket: &UdpSocket, packet: &[u8], asker: SocketAddr, services: &[Name]) {
    let question = Message::from_vec(packet).expect("only the members ask");
    let query = question.queries.first().expect("a question").clone();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.recursion_desired = question.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    let asked = query.name.to_lowercase();
    let is_member = (1..=3).find(|number| name(&format!("m{number}.{DOMAIN}.")) == asked);
    match (query.query_type, is_member) {
        (RecordType::SRV, _) if services.contains(&asked) => {
            for number in 1..=3 {
                let target = name(&format!("m{number}.{DOMAIN}."));
                let record = RData::SRV(SRV::new(0, 0, PEER_PORT, target));
                answer.add_answer(Record::from_rdata(query.name.clone(), TTL, record));
            }
        }
        (RecordType::A, Some(number)) => {
            let record = RData::A(A(ADDRESSES[number - 1]));
            answer.add_answer(Record::from_rdata(query.name.clone(), TTL, record));
        }
        // It has no other address.
        (_, Some(_)) => {}
        _ => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    let answer = answer.to_vec().expect("a small answer");
    // Whoever asked may have gone.
    let _ = socket.send_to(&answer, asker);
}
