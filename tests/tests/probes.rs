//! `/livez` and `/readyz`: what tells Kubernetes to restart a member, or to send it no requests.

use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::{AlarmRequest, AlarmType};
use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, Plan, Scrape, Signal, ports, web};
use std::time::Duration;

/// Longer than a member takes to find the others again.
const LIMIT: Duration = Duration::from_secs(30);

const OK: &str = "ok\n";
const NOT_FOUND: &str = "404 page not found\n";
const NOT_ALLOWED: &str = "Method Not Allowed\n";
const CORRUPT: &str = "[-]data_corruption failed: alarm activated: CORRUPT\n\n";
const NO_QUORUM: &str = "[-]linearizable_read failed: etcdserver: request timed out\n\n";

/// The status, the type, and the body with its checks in order of their names, for etcd promises
/// none.
fn ask(url: &str, method: &str, path: &str) -> (u16, String, String) {
    let answer = web::ask(method, &format!("{url}{path}"), &[]).expect("an answer");
    (answer.status, answer.header("content-type").to_owned(), sorted(&answer.body))
}

fn sorted(body: &str) -> String {
    let is_check = |line: &&str| line.starts_with('[');
    let mut checks: Vec<&str> = body.split_inclusive('\n').filter(is_check).collect();
    checks.sort_unstable();
    let rest: String = body.split_inclusive('\n').filter(|line| !is_check(line)).collect();
    checks.concat() + &rest
}

#[track_caller]
fn check(url: &str, path: &str, status: u16, body: &str) {
    check_method(url, "GET", path, status, body);
}

#[track_caller]
fn check_method(url: &str, method: &str, path: &str, status: u16, body: &str) {
    let expected = (status, "text/plain; charset=utf-8".to_owned(), body.to_owned());
    assert_eq!(ask(url, method, path), expected, "{method} {path}");
}

#[test]
fn a_healthy_member_says_of_each_check_that_is_asked_for_how_it_went() {
    let cluster = Cluster::start(&Plan::loopback(1));
    let url = &cluster.members[0].client_url;
    let ready = "[+]data_corruption ok\n[+]linearizable_read ok\n[+]non_learner ok\n\
                 [+]serializable_read ok\nok\n";
    for path in ["/livez", "/livez/serializable_read", "/readyz", "/readyz/non_learner"] {
        check(url, path, 200, OK);
    }
    check(url, "/livez?verbose", 200, "[+]serializable_read ok\nok\n");
    check(url, "/livez/serializable_read?verbose", 200, "[+]serializable_read ok\nok\n");
    check(url, "/readyz?verbose=false", 200, ready);
    check(url, "/readyz?exclude=nothing&verbose", 200, ready);
    let two = "[+]linearizable_read ok\n[+]non_learner ok\nok\n";
    let query = "verbose&exclude=serializable_read&exclude=data_corruption";
    check(url, &format!("/readyz?{query}"), 200, two);
    // One check by itself is not excluded.
    let one = "[+]data_corruption ok\nok\n";
    check(url, "/readyz/data_corruption?verbose&exclude=data_corruption", 200, one);
    for path in ["/livez/", "/livez/non_learner", "/readyz/nothing", "/readyz/non_learner/x"] {
        check(url, path, 404, NOT_FOUND);
    }
    for path in ["/health", "/livez", "/livez/serializable_read", "/readyz", "/version"] {
        check_method(url, "POST", path, 405, NOT_ALLOWED);
        check_method(url, "HEAD", path, 405, "");
    }
}

#[test]
fn a_member_whose_data_are_corrupt_lives_but_is_not_ready() {
    let cluster = Cluster::start(&Plan::loopback(1));
    let (url, client) = (&cluster.members[0].client_url, cluster.members[0].client());
    let member_id = client.members().expect("a list").members[0].id;
    let corrupt = 2;
    let turn = |action: AlarmAction| {
        let request = AlarmRequest { action: action as i32, member_id, alarm: corrupt };
        client.alarm(request).expect("alarms are changed at any time");
    };
    turn(AlarmAction::Activate);
    check(url, "/livez", 200, OK);
    check(url, "/readyz/data_corruption", 503, CORRUPT);
    let others = "[+]linearizable_read ok\n[+]non_learner ok\n[+]serializable_read ok\n";
    check(url, "/readyz", 503, &format!("{others}{CORRUPT}"));
    check(url, "/readyz?exclude=data_corruption", 200, OK);
    turn(AlarmAction::Deactivate);
    check(url, "/readyz", 200, OK);
}

#[test]
fn a_member_of_a_cluster_with_alarms_says_that_it_is_not_healthy() {
    const HEALTHY: &str = "{\"health\":\"true\",\"reason\":\"\"}";
    let cluster = Cluster::start(&Plan::loopback(1));
    let (url, client) = (&cluster.members[0].client_url, cluster.members[0].client());
    let turn = |action: AlarmAction, alarm: AlarmType| {
        let (action, alarm) = (action as i32, alarm as i32);
        let request = AlarmRequest { action, member_id: 1, alarm };
        client.alarm(request).expect("alarms are changed at any time");
    };
    let unhealthy =
        |alarm: &str| format!("{{\"health\":\"false\",\"reason\":\"ALARM {alarm}\"}}\n");
    let before = Scrape::of(url);
    turn(AlarmAction::Activate, AlarmType::Nospace);
    check(url, "/health", 503, &unhealthy("NOSPACE"));
    check(url, "/health?serializable=true", 503, &unhealthy("NOSPACE"));
    check(url, "/health?exclude=NOSPACE", 200, HEALTHY);
    check(url, "/health?exclude=nospace", 503, &unhealthy("NOSPACE"));
    turn(AlarmAction::Activate, AlarmType::Corrupt);
    check(url, "/health?exclude=NOSPACE", 503, &unhealthy("CORRUPT"));
    check(url, "/health?exclude=NOSPACE&exclude=CORRUPT", 200, HEALTHY);
    turn(AlarmAction::Deactivate, AlarmType::Nospace);
    check(url, "/health", 503, &unhealthy("CORRUPT"));
    // Space is no concern of Kubernetes, and other data are none to live with.
    check(url, "/livez", 200, OK);
    check(url, "/readyz?exclude=data_corruption", 200, OK);
    check(url, "/readyz/data_corruption", 503, CORRUPT);
    turn(AlarmAction::Deactivate, AlarmType::Corrupt);
    check(url, "/health", 200, HEALTHY);
    let after = Scrape::of(url);
    let grown = |series: &str| after.value(series) - before.value(series);
    assert_eq!(grown("etcd_server_health_failures"), 5.0);
    assert_eq!(grown("etcd_server_health_success"), 3.0);
    let failed =
        "etcd_server_healthchecks_total{name=\"data_corruption\",status=\"error\",type=\"readyz\"}";
    assert_eq!(grown(failed), 1.0);
}

#[test]
fn a_member_without_a_quorum_lives_but_is_not_ready() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    for lost in [1, 2] {
        cluster.members[lost].end(Signal::KILL);
    }
    let url = cluster.members[0].client_url.clone();
    let url = &url;
    check(url, "/livez?verbose", 200, "[+]serializable_read ok\nok\n");
    check(url, "/readyz/linearizable_read", 503, NO_QUORUM);
    check(url, "/readyz?exclude=linearizable_read", 200, OK);
    cluster.members[1].start();
    eventually(LIMIT, "the member is ready again", || {
        (ask(url, "GET", "/readyz").0 == 200).then_some(())
    });
}

#[test]
fn a_metrics_listener_shows_health_and_metrics_also_without_a_quorum() {
    let mut cluster = Cluster::prepare(&Plan::loopback(3));
    let url = format!("http://127.0.0.1:{}", ports::free());
    cluster.members[0].set_flag("--listen-metrics-urls", &url);
    cluster.members[0].start();
    eventually(LIMIT, "the listener", || web::ask("GET", &format!("{url}/livez"), &[]));
    check(&url, "/livez?verbose", 200, "[+]serializable_read ok\nok\n");
    check(&url, "/readyz/linearizable_read", 503, NO_QUORUM);
    for member in &mut cluster.members[1..] {
        member.start();
    }
    eventually(LIMIT, "a quorum", || (ask(&url, "GET", "/readyz").0 == 200).then_some(()));
    let metrics = web::ask("GET", &format!("{url}/metrics"), &[]).expect("an answer");
    assert!(metrics.status == 200 && metrics.body.contains("\n# TYPE "), "{metrics:?}");
    check(&url, "/health", 200, "{\"health\":\"true\",\"reason\":\"\"}");
    for path in ["/", "/version", "/members", "/v3/kv/range"] {
        check(&url, path, 404, NOT_FOUND);
    }
}
