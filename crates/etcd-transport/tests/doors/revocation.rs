//! Who is refused because its certificate was revoked.

use etcd_transport::Tls;

use crate::certificates::{revoke, showing, trusting};
use crate::identity::{World, refused};
use crate::journal::Journal;
use crate::member::{Member, dialer, who};

#[tokio::test]
async fn a_revoked_certificate_is_refused_from_the_next_connection_on() {
    let mut journal = Journal::open();
    let world = World::new();
    let revoked = trusting(&world.trusted, &world.trusted.issue_numbered("revoked", 77));
    let revoked = dialer(Some(revoked));
    let list = revoke(&world.trusted, 76);
    let member = Member::secure(Tls { crl_file: Some(list), ..world.server() });
    let url = member.url("https");
    who(&revoked, &url).await.expect("not revoked yet");
    revoke(&world.trusted, 77);
    refused(&revoked, &url).await;
    journal
        .line_with(&[
            "rejected connection on client endpoint",
            "transport: certificate serial 4d revoked",
        ])
        .await;
    member.stop().await;
}

#[tokio::test]
async fn a_list_counts_whoever_signed_it_and_for_high_numbers_too() {
    let world = World::new();
    // In DER a number whose first bit is set is written with a zero before it.
    let revoked = world.trusted.issue_numbered("revoked", 0xff00_0000_0000_0077);
    let list = revoke(&world.strange, 0xff00_0000_0000_0077);
    let member = Member::secure(Tls { crl_file: Some(list), ..world.server() });
    refused(&dialer(Some(trusting(&world.trusted, &revoked))), &member.url("https")).await;
    member.stop().await;
}

#[tokio::test]
async fn a_list_that_cannot_be_read_refuses_all_who_show_a_certificate_until_it_can() {
    let mut journal = Journal::open();
    let world = World::new();
    let list = world.directory.path().join("trusted.crl");
    let member = Member::secure(Tls { crl_file: Some(list.clone()), ..world.server() });
    journal.line_with(&["WARN", "until their revocation list is there"]).await;
    let (client, url) = (world.client(&world.trusted, "somebody"), member.url("https"));
    refused(&client, &url).await;
    let rejected = "rejected connection on client endpoint";
    journal.line_with(&[rejected, "trusted.crl", "no such file"]).await;
    revoke(&world.trusted, 5);
    who(&client, &url).await.expect("the list is there and does not name it");
    std::fs::write(&list, "no list").expect("written");
    refused(&client, &url).await;
    journal.line_with(&[rejected, "not a revocation list"]).await;
    member.stop().await;
}

#[tokio::test]
async fn who_shows_no_certificate_is_on_no_list() {
    let world = World::new();
    let identity = world.trusted.issue("server", &["127.0.0.1"]);
    let absent = world.directory.path().join("absent.crl");
    let member = Member::secure(Tls { crl_file: Some(absent), ..showing(&identity) });
    let bare = Tls { trusted_ca_file: Some(world.trusted.file()), ..Tls::default() };
    who(&dialer(Some(bare)), &member.url("https")).await.expect("nothing to look up");
    member.stop().await;
}
