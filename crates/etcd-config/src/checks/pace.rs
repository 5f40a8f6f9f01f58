//! Checks of periods, rates and what runs by itself.

use std::time::Duration;

use crate::duration;
use crate::fault::Fault;
use crate::gates::FeatureGates;
use crate::sections::clustering::AutoCompactionMode;
use crate::settings::Settings;

/// How many heartbeats an election timeout must span.
const HEARTBEATS_PER_ELECTION: u64 = 5;
/// The longest election timeout, in milliseconds.
const MAX_ELECTION_MILLIS: u64 = 50_000;
/// What a sampling rate is a part of.
const SAMPLES: i64 = 1_000_000;

/// A leader must beat several times before anyone thinks that it is gone.
pub(super) fn elections(settings: &Settings, faults: &mut Vec<Fault>) {
    let heartbeat: u64 = settings.get("heartbeat-interval");
    let election: u64 = settings.get("election-timeout");
    for (name, millis) in [("heartbeat-interval", heartbeat), ("election-timeout", election)] {
        if millis == 0 {
            let message = format!("--{name} must be >0 (set to 0ms)");
            faults.push(settings.fault(name, message, "write a number of milliseconds"));
        }
    }
    let name = if settings.is_given("election-timeout") || !settings.is_given("heartbeat-interval")
    {
        "election-timeout"
    } else {
        "heartbeat-interval"
    };
    let least = heartbeat.saturating_mul(HEARTBEATS_PER_ELECTION);
    if heartbeat > 0 && election > 0 && election < least {
        let message = format!(
            "--election-timeout[{election}ms] should be at least as 5 times as \
             --heartbeat-interval[{heartbeat}ms]"
        );
        let advice = format!("raise --election-timeout to {least} or lower the interval");
        faults.push(settings.fault(name, message, advice));
    }
    if election > MAX_ELECTION_MILLIS {
        let message = format!(
            "--election-timeout[{election}ms] is too long, and should be set less than \
             {MAX_ELECTION_MILLIS}ms"
        );
        faults.push(settings.fault("election-timeout", message, "lower it"));
    }
}

/// A retention counts time or revisions.
pub(super) fn compaction_mode(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "auto-compaction-mode";
    let message = match settings.text(name).as_str() {
        "periodic" | "revision" => return,
        "" => format!("undefined {name}"),
        mode => format!("unknown {name} {mode:?}"),
    };
    faults.push(settings.fault(name, message, "write periodic or revision"));
}

/// A sampling rate is a part of a million.
pub(super) fn tracing(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "distributed-tracing-sampling-rate";
    let rate: i64 = settings.get(name);
    if !settings.is_on("enable-distributed-tracing") || (0..=SAMPLES).contains(&rate) {
        return;
    }
    let bound = if rate < 0 { "positive" } else { "less than 1000000" };
    let message = format!(
        "distributed tracing configurition is not valid: (tracing sampling rate must be {bound})"
    );
    faults.push(settings.fault(name, message, "write how many of a million are traced"));
}

/// What is not replicated cannot be stored.
pub(super) fn leases(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "feature-gates";
    let gates: FeatureGates = settings.get(name);
    if gates.lease_checkpoint_persist && !gates.lease_checkpoint {
        let message = "enabling feature gate LeaseCheckpointPersist requires enabling feature \
                       gate LeaseCheckpoint";
        faults.push(settings.fault(name, message, "add LeaseCheckpoint=true"));
    }
}

/// This period cannot be switched off.
pub(super) fn hash_check(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "compact-hash-check-time";
    let nanos: i64 = settings.get(name);
    if nanos <= 0 {
        let sign = if nanos < 0 { "-" } else { "" };
        let set_to = duration::format(Duration::from_nanos(nanos.unsigned_abs()));
        let message = format!("--{name} must be >0 (set to {sign}{set_to})");
        faults.push(settings.fault(name, message, "write a duration such as 1m"));
    }
}

/// The compaction mode of settings, periodic where it is at fault.
pub(super) fn mode(settings: &Settings) -> AutoCompactionMode {
    match settings.text("auto-compaction-mode").as_str() {
        "revision" => AutoCompactionMode::Revision,
        _ => AutoCompactionMode::Periodic,
    }
}
