//! Checks of the URLs that are listened on and told to others.

use std::net::IpAddr;

use crate::fault::Fault;
use crate::settings::Settings;
use crate::url::{self, Address, Url};

/// The flags with URLs to listen on, in the order in which etcd checks them.
const LISTENERS: &[&str] =
    &["listen-peer-urls", "listen-client-urls", "listen-client-http-urls", "listen-metrics-urls"];

/// A listener needs an address of this machine, not a name.
pub(super) fn bindable(settings: &Settings, faults: &mut Vec<Fault>) {
    for name in LISTENERS {
        for url in settings.urls(name).iter().filter(|url| !is_bindable(url)) {
            let message = format!("expected IP in URL for binding ({url})");
            let advice = "write an IP address, 0.0.0.0 for all of them, or localhost";
            faults.push(settings.fault(name, message, advice));
        }
    }
}

/// Whoever is told a URL needs a host to connect to.
pub(super) fn reachable(settings: &Settings, faults: &mut Vec<Fault>) {
    let forms = [
        ("initial-advertise-peer-urls", r#"must be "host:port""#),
        (
            "advertise-client-urls",
            "must be in the format \"host:port\", \"unix:/path/to/socket\" or \
             \"unixs:/path/to/socket\"",
        ),
    ];
    for (name, form) in forms {
        let urls = settings.urls(name);
        for url in urls.iter().filter(|url| is_hostless(url)) {
            let all = url::join(&urls);
            let message = format!("--{name} {all:?} {form} (unexpected empty host ({url}))");
            let advice = "name the host at which others reach this member";
            faults.push(settings.fault(name, message, advice));
        }
    }
}

/// Who listens elsewhere than by default must say where it is reached.
pub(super) fn advertised(settings: &Settings, faults: &mut Vec<Fault>) {
    let missing =
        settings.is_given("listen-client-urls") && !settings.is_given("advertise-client-urls");
    if settings.has_word_rules() && missing {
        let message = "--advertise-client-urls is required when --listen-client-urls is set \
                       explicitly";
        let advice = "set it to the URLs at which clients reach this member";
        faults.push(settings.fault("listen-client-urls", message, advice));
    }
}

/// One address cannot both speak gRPC and speak HTTP alone.
pub(super) fn distinct(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "listen-client-http-urls";
    let client_urls = settings.urls("listen-client-urls");
    for url in settings.urls(name) {
        if client_urls.iter().any(|client_url| client_url.address() == url.address()) {
            let message =
                format!("cannot bind both --listen-client-urls and --{name} on the same url {url}");
            faults.push(settings.fault(name, message, "give each its own port"));
        }
    }
}

fn is_bindable(url: &Url) -> bool {
    match url.address() {
        Address::Tcp { host, .. } => host == "localhost" || host.parse::<IpAddr>().is_ok(),
        Address::Unix(_) => true,
    }
}

fn is_hostless(url: &Url) -> bool {
    matches!(url.address(), Address::Tcp { host, .. } if host.is_empty())
}
