//! Checks of the TLS settings, as far as they need no file.

use crate::fault::Fault;
use crate::sections::security::TlsVersion;
use crate::settings::Settings;
use crate::url::{Address, Url};

/// The names that a cipher suite may have: those of IANA that Go implements, and two older ones.
const CIPHER_SUITES: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// The versions have names and an order.
pub(super) fn versions(settings: &Settings, faults: &mut Vec<Fault>) {
    let (min_name, max_name) = ("tls-min-version", "tls-max-version");
    let mut read = |name: &str| {
        TlsVersion::parse(&settings.text(name)).unwrap_or_else(|message| {
            faults.push(settings.fault(name, message, "write one of them or leave it out"));
            None
        })
    };
    let (min, max) = (read(min_name), read(max_name));
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        let (min, max) = (settings.text(min_name), settings.text(max_name));
        let message = format!("min version ({min}) is greater than max version ({max})");
        faults.push(settings.fault(max_name, message, "raise it or leave it out"));
    }
    if min == Some(TlsVersion::Tls13) && !settings.texts("cipher-suites").is_empty() {
        let message = "cipher suites cannot be configured when only TLS1.3 is enabled";
        faults.push(settings.fault("cipher-suites", message, "leave them out"));
    }
}

/// Every suite has a known name.
pub(super) fn cipher_suites(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "cipher-suites";
    for suite in settings.texts(name) {
        if !CIPHER_SUITES.contains(&suite.as_str()) {
            let message = format!("unexpected TLS cipher suite {suite:?}");
            let advice = "write names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
            faults.push(settings.fault(name, message, advice));
        }
    }
}

/// A certificate needs its key. Only sides that speak TLS are looked at: peers do once they have a
/// certificate.
pub(super) fn pairs(settings: &Settings, faults: &mut Vec<Fault>) {
    let clients = ["listen-client-urls", "listen-client-http-urls", "listen-metrics-urls"];
    let clients_use_tls =
        clients.iter().any(|name| settings.urls(name).iter().any(|url| url.scheme().is_tls()));
    for (prefix, is_used) in [("", clients_use_tls), ("peer-", has_certificate(settings, "peer-"))]
    {
        if is_used {
            pair(settings, &format!("{prefix}cert-file"), &format!("{prefix}key-file"), faults);
            let (cert, key) =
                (format!("{prefix}client-cert-file"), format!("{prefix}client-key-file"));
            pair(settings, &cert, &key, faults);
        }
    }
}

fn pair(settings: &Settings, cert_name: &str, key_name: &str, faults: &mut Vec<Fault>) {
    let (cert, key) = (settings.text(cert_name), settings.text(key_name));
    if cert.is_empty() == key.is_empty() {
        return;
    }
    let message = if cert_name.ends_with("client-cert-file") {
        format!(
            "ClientKeyFile and ClientCertFile must both be present or both absent: \
             key: {key}, cert: {cert}]"
        )
    } else {
        format!("KeyFile and CertFile must both be present[key: {key}, cert: {cert}]")
    };
    let (given, missing) =
        if key.is_empty() { (cert_name, key_name) } else { (key_name, cert_name) };
    faults.push(settings.fault(given, message, format!("give --{missing} too")));
}

/// Certificates are told by one kind of name.
pub(super) fn allowed_names(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "peer-cert-allowed-hostname";
    let (cns, hostnames) = (settings.texts("peer-cert-allowed-cn"), settings.texts(name));
    if !cns.is_empty() && !hostnames.is_empty() && has_certificate(settings, "peer-") {
        let quoted = |texts: &[String]| {
            texts.iter().map(|text| format!("{text:?}")).collect::<Vec<String>>().join(" ")
        };
        let message = format!(
            "AllowedCNs and AllowedHostnames are mutually exclusive (cns=[{}], hostnames=[{}])",
            quoted(&cns),
            quoted(&hostnames)
        );
        faults.push(settings.fault(name, message, "leave one of the two out"));
    }
}

/// A listener that speaks TLS needs a certificate, given or generated.
pub(super) fn certificates(settings: &Settings, faults: &mut Vec<Fault>) {
    let advice = |prefix: &str| {
        format!("give --{prefix}cert-file and --{prefix}key-file or --{prefix}auto-tls")
    };
    if !has_certificate(settings, "peer-") {
        for url in tls_urls(settings, "listen-peer-urls") {
            let at = match url.address() {
                Address::Tcp { host, port } => format!("{host}:{port}"),
                Address::Unix(path) => path.display().to_string(),
            };
            let message =
                format!("cannot listen on TLS for {at}: KeyFile and CertFile are not presented");
            faults.push(settings.fault("listen-peer-urls", message, advice("peer-")));
        }
    }
    if has_certificate(settings, "") {
        return;
    }
    for name in ["listen-client-urls", "listen-client-http-urls"] {
        for url in tls_urls(settings, name) {
            let message = format!(
                "TLS key/cert (--cert-file, --key-file) must be provided for client url {url} \
                 with HTTPS scheme"
            );
            faults.push(settings.fault(name, message, advice("")));
        }
    }
    let name = "listen-metrics-urls";
    if !tls_urls(settings, name).is_empty() {
        let message = "client TLS key/cert (--cert-file, --key-file) must be provided for metrics \
                       secure url";
        faults.push(settings.fault(name, message, advice("")));
    }
}

/// A generated certificate must be valid for some time.
pub(super) fn validity(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "self-signed-cert-validity";
    let generates =
        |prefix: &str| settings.is_on(&format!("{prefix}auto-tls")) && !has_files(settings, prefix);
    if settings.get::<u64>(name) == 0 && (generates("") || generates("peer-")) {
        let message = "selfSignedCertValidity is invalid,it should be greater than 0";
        faults.push(settings.fault(name, message, "write a number of years"));
    }
}

fn has_certificate(settings: &Settings, prefix: &str) -> bool {
    has_files(settings, prefix) || settings.is_on(&format!("{prefix}auto-tls"))
}

fn has_files(settings: &Settings, prefix: &str) -> bool {
    ["cert-file", "key-file"]
        .iter()
        .any(|name| !settings.text(&format!("{prefix}{name}")).is_empty())
}

fn tls_urls(settings: &Settings, name: &str) -> Vec<Url> {
    let mut urls = settings.urls(name);
    urls.retain(|url| url.scheme().is_tls());
    urls
}
