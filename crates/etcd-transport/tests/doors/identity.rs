//! Who is let in, and as whom.

use etcd_transport::{Dialer, Error, SanCheck, Tls, TlsVersion};
use etcd_visitors::{Authority, own_authority};

use crate::certificates::{showing, trusting};
use crate::journal::Journal;
use crate::member::{Member, check_health, dialer, listen, who};

/// Two authorities, and a server of the first that asks for certificates of the first.
pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) trusted: Authority,
    pub(crate) strange: Authority,
}

impl World {
    pub(crate) fn new() -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let trusted = Authority::new(directory.path(), "trusted");
        let strange = Authority::new(directory.path(), "strange");
        World { directory, trusted, strange }
    }

    pub(crate) fn server(&self) -> Tls {
        trusting(&self.trusted, &self.trusted.issue("server", &["127.0.0.1"]))
    }

    /// A client that trusts the server's authority and shows a certificate of `authority`.
    pub(crate) fn client(&self, authority: &Authority, name: &str) -> Dialer {
        dialer(Some(trusting(&self.trusted, &authority.issue(name, &[]))))
    }
}

pub(crate) async fn refused(dialer: &Dialer, url: &str) -> String {
    let error = who(dialer, url).await.expect_err("refused");
    let status = check_health(dialer, &[url.to_owned()]).await.expect_err("refused for gRPC too");
    let reason = Dialer::reason(&status);
    assert!(reason.contains(&format!("{url}: ")), "{reason}");
    assert!(matches!(error, Error::Dial { .. } | Error::Exchange { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn the_common_name_of_the_client_reaches_the_handler() {
    let world = World::new();
    let member = Member::secure(world.server());
    let client = world.client(&world.trusted, "root");
    let answer = who(&client, &member.url("https")).await.expect("let in");
    assert!(answer.ends_with("as Some(\"root\")"), "{answer}");
    check_health(&client, &[member.url("https")]).await.expect("let in for gRPC");
    member.stop().await;
}

#[tokio::test]
async fn one_certificate_serves_a_member_as_server_and_as_client() {
    let world = World::new();
    let tls = world.server();
    let member =
        Member::peer_door(listen(&["https://127.0.0.1:0"], Some(tls.clone())), SanCheck::Verify);
    let answer = who(&dialer(Some(tls)), &member.url("https")).await.expect("let in");
    assert!(answer.ends_with("as Some(\"server\")"), "{answer}");
    member.stop().await;
}

#[tokio::test]
async fn a_trusted_ca_file_alone_asks_for_client_certificates() {
    let mut journal = Journal::open();
    let world = World::new();
    let member = Member::secure(world.server());
    let bare = Tls { trusted_ca_file: Some(world.trusted.file()), ..Tls::default() };
    let error = refused(&dialer(Some(bare)), &member.url("https")).await;
    assert!(error.contains("CertificateRequired"), "{error}");
    let words = [
        "WARN",
        "rejected connection on client endpoint",
        "127.0.0.1:",
        "didn't provide a certificate",
    ];
    journal.line_with(&words).await;
    member.stop().await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let mut journal = Journal::open();
    let world = World::new();
    let options = listen(&["https://127.0.0.1:0"], Some(world.server()));
    let member = Member::peer_door(options, SanCheck::Verify);
    refused(&world.client(&world.strange, "root"), &member.url("https")).await;
    journal.line_with(&["rejected connection on peer endpoint", "UnknownIssuer"]).await;
    member.stop().await;
}

#[tokio::test]
async fn a_server_of_another_authority_or_name_is_not_believed() {
    let world = World::new();
    let member = Member::secure(world.server());
    let doubtful =
        dialer(Some(Tls { trusted_ca_file: Some(world.strange.file()), ..world.server() }));
    let url = member.url("https");
    let error = refused(&doubtful, &url).await;
    assert!(error.starts_with(&format!("cannot reach {url}: ")), "{error}");
    assert!(error.contains("UnknownIssuer"), "{error}");
    let by_name = format!("https://localhost:{}", member.address.port());
    let error = refused(&dialer(Some(world.server())), &by_name).await;
    assert!(error.contains("not valid for name"), "{error}");
    member.stop().await;
}

#[tokio::test]
async fn a_peer_must_connect_from_an_address_its_certificate_names() {
    let mut journal = Journal::open();
    let world = World::new();
    let options = listen(&["https://127.0.0.1:0"], Some(world.server()));
    let elsewhere = trusting(&world.trusted, &world.trusted.issue("elsewhere", &["10.9.8.7"]));
    let elsewhere = dialer(Some(elsewhere));
    let strict = Member::peer_door(options.clone(), SanCheck::Verify);
    refused(&elsewhere, &strict.url("https")).await;
    journal
        .line_with(&["rejected connection on peer endpoint", "valid for 10.9.8.7, not 127.0.0.1"])
        .await;
    who(&world.client(&world.trusted, "nameless"), &strict.url("https"))
        .await
        .expect("a certificate without names may come from anywhere");
    let metrics = Member::metrics_door(options.clone());
    refused(&elsewhere, &metrics.url("https")).await;
    journal
        .line_with(&["rejected connection on client endpoint", "valid for 10.9.8.7, not 127.0.0.1"])
        .await;
    metrics.stop().await;
    let lax = Member::peer_door(options.clone(), SanCheck::Skip);
    who(&elsewhere, &lax.url("https")).await.expect("the check can be left out");
    let client_door = Member::client_door(options);
    who(&elsewhere, &client_door.url("https")).await.expect("clients are not checked");
}

#[tokio::test]
async fn only_allowed_common_names_are_let_in() {
    let mut journal = Journal::open();
    let world = World::new();
    let tls = Tls { allowed_common_names: vec!["alice".to_owned()], ..world.server() };
    let member = Member::secure(tls);
    let url = member.url("https");
    who(&world.client(&world.trusted, "alice"), &url).await.expect("allowed");
    refused(&world.client(&world.trusted, "mallory"), &url).await;
    journal.line_with(&["client certificate authentication failed"]).await;
    member.stop().await;
}

#[tokio::test]
async fn only_allowed_hostnames_are_let_in() {
    let world = World::new();
    let allowed = ["a.example.com", "*.example.org", "10.1.2.3", "[::9]"].map(str::to_owned);
    let tls = Tls { allowed_hostnames: allowed.to_vec(), ..world.server() };
    let member = Member::secure(tls);
    let url = member.url("https");
    for (common_name, name, is_allowed) in [
        ("exact", "a.example.com", true),
        ("wildcard", "*.example.com", true),
        ("other", "b.example.com", false),
        ("literal", "*.EXAMPLE.org", true),
        ("below", "a.example.org", false),
        ("address", "10.1.2.3", true),
        ("bracketed", "::9", true),
        ("neighbour", "10.1.2.4", false),
    ] {
        let identity = trusting(&world.trusted, &world.trusted.issue(common_name, &[name]));
        let answer = who(&dialer(Some(identity)), &url).await;
        assert_eq!(answer.is_ok(), is_allowed, "{name}: {answer:?}");
    }
    member.stop().await;
}

#[tokio::test]
async fn keys_of_every_kind_serve_and_dial() {
    let world = World::new();
    let kinds = [
        ("p256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("p384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("p521", &rcgen::PKCS_ECDSA_P521_SHA512),
        ("ed25519", &rcgen::PKCS_ED25519),
        ("rsa", &rcgen::PKCS_RSA_SHA256),
    ];
    for (name, kind) in kinds {
        let key = rcgen::KeyPair::generate_for(kind).expect("a key");
        let identity = world.trusted.issue_for(&key, name, &["127.0.0.1"]);
        let tls = trusting(&world.trusted, &identity);
        let member = Member::secure(tls.clone());
        let answer = who(&dialer(Some(tls)), &member.url("https")).await.expect(name);
        assert!(answer.ends_with(&format!("as Some({name:?})")), "{answer}");
        member.stop().await;
    }
}

#[tokio::test]
async fn a_client_certificate_of_version_1_counts_when_its_authority_signed_it() {
    let mut journal = Journal::open();
    let world = World::new();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let member = Member::secure(Tls { max_version: Some(version), ..world.server() });
        let url = member.url("https");
        let old = world.trusted.issue("old", &[]);
        old.make_version_1(&world.trusted);
        let old = trusting(&world.trusted, &old);
        let answer = who(&dialer(Some(old)), &url).await.expect("let in");
        assert!(answer.ends_with("as Some(\"old\")"), "{answer}");

        let forged = world.trusted.issue("forged", &[]);
        forged.make_version_1(&world.strange);
        let forged = dialer(Some(trusting(&world.trusted, &forged)));
        refused(&forged, &url).await;
        journal.line_with(&["rejected connection", "UnknownIssuer"]).await;
        member.stop().await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_serves_a_cluster() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = own_authority(directory.path(), &["127.0.0.1"]);
    let tls = Tls { trusted_ca_file: Some(own.certificate.clone()), ..showing(&own) };
    let member = Member::secure(tls.clone());
    who(&dialer(Some(tls.clone())), &member.url("https")).await.expect("trusted by itself");
    let by_name = format!("https://localhost:{}", member.address.port());
    who(&dialer(Some(tls)), &by_name).await.expect_err("its name still counts");
    member.stop().await;
}

#[tokio::test]
async fn members_with_certificates_of_their_own_making_talk_to_each_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let urls = ["https://127.0.0.1:0".to_owned(), "https://localhost:0".to_owned()];
    let make = |name: &str| {
        Tls::self_signed(&directory.path().join("fixtures").join(name), &urls, 1)
            .expect("a certificate")
    };
    let (one, other) = (make("one"), make("other"));
    let key_before = std::fs::read(directory.path().join("fixtures/one/key.pem")).expect("read");
    let member = Member::secure(one);
    who(&dialer(Some(other)), &member.url("https")).await.expect("not verified");
    let verifying = Tls {
        trusted_ca_file: Some(directory.path().join("fixtures/one/cert.pem")),
        ..Tls::default()
    };
    who(&dialer(Some(verifying)), &member.url("https")).await.expect("names its listen hosts");
    make("one");
    let key_after = std::fs::read(directory.path().join("fixtures/one/key.pem")).expect("read");
    assert_eq!(key_before, key_after, "files that are there are used as they are");
    member.stop().await;
}
