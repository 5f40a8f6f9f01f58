//! What a browser may do to a member on behalf of some page.

use etcd_tests::{Cluster, Plan, web};

const METHODS: &str = "POST, GET, OPTIONS, PUT, DELETE";
const HEADERS: &str = "accept, content-type, authorization";

/// The status, and the origin whose pages may read the answer.
fn ask(url: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let answer = web::ask(method, &format!("{url}{path}"), headers).expect("an answer");
    let allowed = answer.header("access-control-allow-origin");
    let (methods, names) = if allowed.is_empty() { ("", "") } else { (METHODS, HEADERS) };
    assert_eq!(answer.header("access-control-allow-methods"), methods);
    assert_eq!(answer.header("access-control-allow-headers"), names);
    if method == "OPTIONS" && answer.status == 200 {
        assert_eq!(answer.body, "");
    }
    (answer.status, allowed.to_owned())
}

#[track_caller]
fn check(url: &str, request: &str, headers: &[(&str, &str)], status: u16, origin: &str) {
    let (method, path) = request.split_once(' ').expect("a method and a path");
    assert_eq!(ask(url, method, path, headers), (status, origin.to_owned()), "{request}");
}

#[test]
fn every_page_may_ask_unless_somebody_says_which() {
    let cluster = Cluster::start(&Plan::loopback(1));
    let url = &cluster.members[0].client_url;
    let page = ("origin", "http://page.example");
    check(url, "GET /health", &[], 200, "*");
    check(url, "GET /nothing", &[page], 404, "*");
    check(url, "POST /health", &[page], 405, "*");
    check(url, "OPTIONS /nothing", &[page], 200, "*");
    check(url, "GET /health", &[page, ("host", "any.example")], 200, "*");
}

#[test]
fn only_known_pages_read_answers_and_only_known_hosts_get_any() {
    let plan = Plan::loopback(1)
        .flag("--cors=http://page.example:80,https://other.example:443")
        .flag("--host-whitelist=127.0.0.1,::1,known.example");
    let cluster = Cluster::start(&plan);
    let url = &cluster.members[0].client_url;
    let origin = "https://other.example:443";
    let page = ("origin", origin);
    check(url, "GET /health", &[], 200, "");
    check(url, "GET /health", &[page], 200, origin);
    check(url, "OPTIONS /v3/kv/put", &[page], 200, origin);
    check(url, "OPTIONS /v3/kv/put", &[("origin", "https://evil.example:443")], 200, "");
    check(url, "GET /health", &[("origin", "https://OTHER.example:443")], 200, "");
    for host in ["known.example", "known.example:1", "[::1]:2379"] {
        check(url, "GET /health", &[("host", host), page], 200, origin);
    }
    for host in ["evil.example", "evil.example:2379", "KNOWN.example", "[::1]", "localhost"] {
        check(url, "GET /health", &[("host", host), page], 421, "");
        check(url, "OPTIONS /health", &[("host", host)], 421, "");
    }
    // gRPC is not asked for its host: no browser speaks it.
    assert!(cluster.members[0].client().put("a", "1").is_ok());
}
