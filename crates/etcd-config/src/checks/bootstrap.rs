//! Checks of how the first members find each other.

use crate::fault::Fault;
use crate::settings::Settings;

const SOURCES: &[&str] = &["initial-cluster", "discovery-srv", "discovery-endpoints"];

/// Falling back to a proxy is gone.
pub(super) fn fallback(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "discovery-fallback";
    if settings.text(name) == "proxy" {
        let message =
            format!("v2 proxy is deprecated, and --{name} can't be configured as \"proxy\"");
        faults.push(settings.fault(name, message, "leave it out"));
    }
}

/// A file may say any word; the command line may not.
pub(super) fn cluster_state(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "initial-cluster-state";
    let state = settings.text(name);
    if !["new", "existing"].contains(&state.as_str()) {
        let message = format!("unexpected clusterState {state:?}");
        faults.push(settings.fault(name, message, "write new or existing"));
    }
}

/// There is one way to find the first members.
pub(super) fn one_way(settings: &Settings, faults: &mut Vec<Fault>) {
    let mut set: Vec<&str> = Vec::new();
    for name in SOURCES {
        let is_set = match *name {
            "discovery-endpoints" => !settings.texts(name).is_empty(),
            _ => !settings.text(name).is_empty(),
        };
        if is_set {
            set.push(name);
        }
    }
    if let [_, second, ..] = set[..] {
        let message = "multiple discovery or bootstrap flags are set. Choose one of \
                       \"initial-cluster\", \"discovery-endpoints\" or \"discovery-srv\"";
        let advice = format!("here {} are set", set.join(" and "));
        faults.push(settings.fault(second, message, advice));
    }
}

/// A token and endpoints belong together.
pub(super) fn discovery(settings: &Settings, faults: &mut Vec<Fault>) {
    let endpoints = settings.texts("discovery-endpoints");
    let has_token = !settings.text("discovery-token").is_empty();
    if has_token == endpoints.is_empty() {
        let (given, missing) = match has_token {
            true => ("discovery-token", "discovery-endpoints"),
            false => ("discovery-endpoints", "discovery-token"),
        };
        let message = "both --discovery-token and --discovery-endpoints must be set";
        faults.push(settings.fault(given, message, format!("give --{missing} too")));
    }
    if endpoints.iter().any(String::is_empty) {
        let name = "discovery-endpoints";
        let message = format!("--{name} must not contain empty endpoints");
        faults.push(settings.fault(name, message, "remove the comma that is too many"));
    }
}
