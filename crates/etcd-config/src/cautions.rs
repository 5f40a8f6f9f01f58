//! What the operator should know about settings that are valid.

use crate::config::Config;
use crate::kind::Kind;
use crate::sections::tls::TlsSettings;
use crate::settings::Settings;
use crate::table;
use crate::url::{Scheme, Url};
use crate::warning::Warning;
use crate::without_effect::{GATES_WITHOUT_EFFECT, Idle, WITHOUT_EFFECT, find};

/// The request size above which a start warns, in bytes.
const LARGE_REQUEST_BYTES: u64 = 10 * 1024 * 1024;
/// The quota above which a start warns, in bytes.
const LARGE_QUOTA_BYTES: i64 = 8 * 1024 * 1024 * 1024;

/// All warnings about a configuration.
pub(crate) fn collect(settings: &Settings, config: &Config) -> Vec<Warning> {
    let mut warnings = Vec::new();
    flags(settings, &mut warnings);
    member(config, &mut warnings);
    schemes(config, &mut warnings);
    features(config, &mut warnings);
    warnings
}

/// A named file makes everything else idle.
pub(crate) fn file_counts_alone(settings: &Settings, ignored: &[String]) -> Warning {
    let message = "loaded the configuration file; other flags and variables are ignored";
    let path = settings.file_path();
    let warning = Warning::info(message).with("path", path);
    if ignored.is_empty() { warning } else { warning.with("ignored", ignored.join(",")) }
}

fn flags(settings: &Settings, warnings: &mut Vec<Warning>) {
    for name in ["max-snapshots", "v2-deprecation"] {
        if settings.is_given(name) {
            let message =
                format!("--{name} is deprecated in 3.6 and will be decommissioned in 3.8");
            warnings.push(Warning::warn(message));
        }
    }
    for name in settings.given() {
        if table::find(name).is_some_and(|flag| flag.kind == Kind::Ignored) {
            let warning = Warning::warn("flag is no longer supported and has no effect");
            warnings.push(warning.with("flag", name));
        }
    }
    let idle = settings.given().filter(|name| settings.is_changed(name));
    let idle: Vec<&Idle> = idle.filter_map(|name| find(WITHOUT_EFFECT, name)).collect();
    tell_idle("flags were set that have no effect here", &idle, warnings);
}

/// One line for all that is idle, with the reasons.
fn tell_idle(message: &str, idle: &[&Idle], warnings: &mut Vec<Warning>) {
    if !idle.is_empty() {
        let told =
            idle.iter().fold(Warning::warn(message), |told, (name, why)| told.with(name, why));
        warnings.push(told);
    }
}

fn member(config: &Config, warnings: &mut Vec<Warning>) {
    let member = &config.member;
    if member.name == "default" {
        let message = "the member is named \"default\"; give each member a name of its own";
        warnings.push(Warning::warn(message));
    }
    if member.listen_client_http_urls.is_empty() {
        let message = "gRPC and HTTP share the client listeners";
        warnings.push(Warning::warn(message));
    }
    if member.max_request_bytes > LARGE_REQUEST_BYTES {
        let warning = Warning::warn("--max-request-bytes is larger than recommended");
        let warning = warning.with("max-request-bytes", member.max_request_bytes);
        warnings.push(warning.with("recommended-bytes", LARGE_REQUEST_BYTES));
    }
    if member.quota_backend_bytes > LARGE_QUOTA_BYTES {
        let warning = Warning::warn("--quota-backend-bytes is larger than recommended");
        let warning = warning.with("quota-backend-bytes", member.quota_backend_bytes);
        warnings.push(warning.with("recommended-bytes", LARGE_QUOTA_BYTES));
    }
}

fn schemes(config: &Config, warnings: &mut Vec<Warning>) {
    let Config { member, security, .. } = config;
    let sides = [
        ("peer", &member.listen_peer_urls, &security.peer),
        ("client", &member.listen_client_urls, &security.client),
        ("client", &member.listen_client_http_urls, &security.client),
    ];
    for (side, urls, tls) in sides {
        for url in urls.iter().filter(|url| is_plain(url)) {
            plain(side, url, tls, warnings);
        }
    }
    for (flag, tls) in [("auto-tls", &security.client), ("peer-auto-tls", &security.peer)] {
        if tls.auto_tls && tls.has_certificate() {
            let message = "a certificate is given, so that none is generated";
            warnings.push(Warning::warn(message).with("flag", flag));
        }
    }
}

/// TLS settings do nothing on a listener without TLS.
fn plain(side: &str, url: &Url, tls: &TlsSettings, warnings: &mut Vec<Warning>) {
    if tls.has_certificate() {
        let message = "the scheme is http, so that the certificate is not used on this listener";
        warnings.push(Warning::warn(message).with("side", side).with("url", url));
    }
    if tls.client_cert_auth {
        let message = "the scheme is http, so that no certificate is asked for on this listener";
        warnings.push(Warning::warn(message).with("side", side).with("url", url));
    }
}

fn is_plain(url: &Url) -> bool {
    matches!(url.scheme(), Scheme::Http | Scheme::Unix)
}

fn features(config: &Config, warnings: &mut Vec<Warning>) {
    let gates = &config.member.feature_gates;
    let changed = gates.changed();
    let idle: Vec<&Idle> =
        changed.into_iter().filter_map(|name| find(GATES_WITHOUT_EFFECT, name)).collect();
    tell_idle("feature gates were set that have no effect here", &idle, warnings);
    if gates.lease_checkpoint && !gates.lease_checkpoint_persist {
        let message = "feature gate LeaseCheckpoint without LeaseCheckpointPersist: remaining \
                       times are stored all the same";
        warnings.push(Warning::warn(message));
    }
    if !["basic", "extensive"].contains(&config.monitoring.metrics.as_str()) {
        let warning = Warning::warn("--metrics is neither basic nor extensive and acts as basic");
        warnings.push(warning.with("metrics", &config.monitoring.metrics));
    }
}
