//! A linearizable read is never older than what was acknowledged before it, wherever it is asked.

use etcd_tests::client::Consistency;
use etcd_tests::cluster::eventually;
use etcd_tests::process::server_is_ours;
use etcd_tests::{Client, Cluster, HeldDisk, Network, Plan, Signal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tonic::Code;

/// How many registers there are, each with one writer.
const REGISTERS: usize = 3;

/// Keys that writers change.
#[derive(Default)]
struct Registers {
    /// How many puts were acknowledged.
    acknowledged: [AtomicU64; REGISTERS],
    /// The revision of the last of them. What a register holds says less: a put that failed may take
    /// effect later, when what was under way to a member that was cut off arrives at last.
    revision: [AtomicI64; REGISTERS],
    stopped: AtomicBool,
}

fn key(register: usize) -> String {
    format!("register/{register}")
}

/// What a reader saw.
#[derive(Debug, Default)]
struct Seen {
    /// Reads that succeeded.
    fresh: usize,
    /// The newest moment at which a read succeeded.
    last_success: Option<Instant>,
    failures: Vec<String>,
}

impl Registers {
    /// Changes a register through the members in turn until stopped.
    fn write(&self, register: usize, urls: &[String]) {
        let patience = Duration::from_secs(2);
        let clients: Vec<_> =
            urls.iter().map(|url| Client::new(url).with_deadline(patience)).collect();
        let mut turn = register;
        for value in 1_u64.. {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            match clients[turn % clients.len()].put(&key(register), &value.to_string()) {
                Ok(revision) => {
                    self.revision[register].store(revision, Ordering::SeqCst);
                    self.acknowledged[register].fetch_add(1, Ordering::SeqCst);
                }
                Err(_) => turn += 1,
            }
        }
    }

    /// Reads the registers through one member until stopped, and holds every answer against what
    /// was acknowledged before it was asked for.
    fn read(&self, url: &str) -> Seen {
        let client = Client::new(url);
        let mut seen = Seen::default();
        for turn in 0_usize.. {
            if self.stopped.load(Ordering::SeqCst) {
                break;
            }
            let register = turn % REGISTERS;
            let least = self.revision[register].load(Ordering::SeqCst);
            match client.get(&key(register), Consistency::Linearizable) {
                Ok(answer) => {
                    let revision = answer.map_or(0, |kv| kv.mod_revision);
                    assert!(revision >= least, "{url} answered {revision} after {least}");
                    seen.fresh += 1;
                    seen.last_success = Some(Instant::now());
                }
                Err(failure) => seen.failures.push(failure.to_string()),
            }
        }
        seen
    }
}

fn reader(registers: &Arc<Registers>, namespace: &str, url: &str) -> JoinHandle<Seen> {
    let (registers, namespace, url) = (Arc::clone(registers), namespace.to_owned(), url.to_owned());
    std::thread::spawn(move || {
        Network::enter(&namespace);
        registers.read(&url)
    })
}

/// Waits until every register was changed, from now on, at least `more` times.
fn wait_for_writes(registers: &Registers, more: u64) {
    let then: Vec<u64> = registers.acknowledged.each_ref().map(load).to_vec();
    eventually(Duration::from_secs(20), "writes go on", || {
        let now = registers.acknowledged.each_ref().map(load);
        now.iter().zip(&then).all(|(now, then)| *now >= then + more).then_some(())
    });
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

#[test]
fn linearizable_reads_are_fresh_or_fail_on_every_member_also_on_a_leader_cut_off() {
    let cluster = Cluster::start(&Plan::namespaces());
    let network = cluster.network.as_ref().expect("the members have namespaces");
    let old_leader = cluster.leader();
    let registers = Arc::new(Registers::default());
    // The writers stand on the bridge: they lose the old leader as the others do.
    let writers = (0..REGISTERS).map(|register| {
        let (registers, urls) = (Arc::clone(&registers), cluster.client_urls());
        std::thread::spawn(move || registers.write(register, &urls))
    });
    let writers: Vec<_> = writers.collect();
    // Each reader stands beside its member, so that the cut does not keep it from asking.
    let readers = cluster.members.iter().enumerate();
    let readers: Vec<_> = readers
        .map(|(number, member)| reader(&registers, network.name(number), &member.client_url))
        .collect();

    wait_for_writes(&registers, 50);
    network.cut(old_leader);
    wait_for_writes(&registers, 50);
    network.mend(old_leader);
    let mended = Instant::now();
    wait_for_writes(&registers, 50);
    let client = cluster.members[old_leader].client();
    // The first answer may be that the leader changed.
    eventually(Duration::from_secs(10), "the old leader follows again", || {
        client.get(&key(0), Consistency::Linearizable).ok()
    });
    registers.stopped.store(true, Ordering::SeqCst);

    for writer in writers {
        writer.join().expect("writers do not panic");
    }
    for (number, reader) in readers.into_iter().enumerate() {
        let seen = reader.join().expect("no read was stale");
        assert!(seen.fresh > 50, "member {number} answered only {} reads", seen.fresh);
        let last = seen.last_success.expect("there were some");
        assert!(last > mended, "member {number} never answered again: {:?}", seen.failures);
    }
}

#[test]
fn serializable_reads_need_no_quorum_and_linearizable_ones_say_what_is_missing() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    cluster.members[0].client().put("key", "value").expect("a healthy cluster");
    cluster.wait_until_level();
    cluster.members[1].end(Signal::KILL);
    cluster.members[2].end(Signal::KILL);
    let client = cluster.members[0].client();
    let kv = client.get("key", Consistency::Serializable).expect("it needs no quorum");
    assert_eq!(kv.expect("the key").value, "value");

    let begun = Instant::now();
    let failure = client.get("key", Consistency::Linearizable).expect_err("there is no quorum");
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (Code::Unavailable, "etcdserver: request timed out")
    );
    let took = begun.elapsed();
    assert!((Duration::from_secs(6)..Duration::from_secs(9)).contains(&took), "after {took:?}");
    let failure = client.put("key", "other").expect_err("there is no quorum");
    assert!(
        [Code::DeadlineExceeded, Code::Unavailable].contains(&failure.code),
        "a put without quorum: {failure}"
    );

    cluster.start_all();
    let kv = client.get("key", Consistency::Linearizable).expect("the quorum is back");
    let kv = kv.expect("the key");
    let now = (kv.version, &kv.value[..]);
    // A leader that lost its quorum may have kept the put in its log.
    assert!(now == (1, b"value") || now == (2, b"other"), "{kv:?}");
}

#[test]
fn a_read_waits_for_no_disk() {
    if !server_is_ours() {
        // Go's system calls go past the disk that is held.
        return;
    }
    let mut cluster = Cluster::prepare(&Plan::loopback(3));
    let home = cluster.home.path();
    let members = cluster.members.iter_mut();
    let mut disks: Vec<_> = members.map(|member| HeldDisk::under(member, home)).collect();
    cluster.start_all();
    let leader = cluster.leader();
    let client = Client::new(&cluster.members[leader].client_url);
    client.put("key", "before").expect("a put");
    cluster.wait_until_level();

    disks.remove(leader);
    disks.iter().for_each(HeldDisk::hold);
    let putting = std::thread::spawn(move || client.put("key", "after"));
    eventually(Duration::from_secs(10), "both followers wait for their disks", || {
        disks.iter().all(HeldDisk::is_waited_for).then_some(())
    });
    let check_all = |value: &str| {
        for member in &cluster.members {
            let answer = Client::new(&member.client_url).get("key", Consistency::Linearizable);
            let answer = answer.unwrap_or_else(|failure| panic!("{}: {failure}", member.name));
            assert_eq!(answer.expect("it was put").value, value, "{}", member.name);
        }
    };
    check_all("before");
    assert!(!putting.is_finished(), "no follower has it on its disk");
    disks.iter().for_each(HeldDisk::release);
    putting.join().expect("no panic").expect("a put");
    check_all("after");
}
