//! The feature gates: switches for behaviour that is not settled, `Name=true,Other=false`.

use serde::Serialize;

use crate::number::parse_bool;

/// Which gates are open.
///
/// `AllAlpha` and `AllBeta` are already spread over the gates of their stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(try_from = "String", rename_all = "PascalCase")]
pub struct FeatureGates {
    /// The leader compares the followers' compaction hashes with its own.
    pub compact_hash_check: bool,
    /// Renewing a lease does not wait for the applied index.
    pub fast_lease_keep_alive: bool,
    /// The data is compared with the peers' before the member serves.
    pub initial_corrupt_check: bool,
    /// The leader replicates the remaining time of leases.
    pub lease_checkpoint: bool,
    /// Remaining times are stored; needs `lease_checkpoint`.
    pub lease_checkpoint_persist: bool,
    /// Some requests, such as revoking a lease, go first under overload.
    pub priority_request: bool,
    /// Peers are dialed from the first advertised peer address that is an IP.
    pub set_member_local_addr: bool,
    /// The health service reports NOT_SERVING while the backend is defragmented.
    #[serde(rename = "StopGRPCServiceOnDefrag")]
    pub stop_grpc_service_on_defrag: bool,
    /// Write transactions read through a shared buffer.
    pub txn_mode_write_with_shared_buffer: bool,
    /// Whether `AllAlpha` and `AllBeta` were set themselves.
    #[serde(skip)]
    whole_stages: (bool, bool),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Alpha,
    Beta,
}

/// One gate: its name, its stage, whether it is open by default, and its field.
type Gate = (&'static str, Stage, bool, fn(&mut FeatureGates) -> &mut bool);

const ALL_ALPHA: &str = "AllAlpha";
const ALL_BETA: &str = "AllBeta";

const GATES: &[Gate] = &[
    ("CompactHashCheck", Stage::Alpha, false, |gates| &mut gates.compact_hash_check),
    ("FastLeaseKeepAlive", Stage::Beta, true, |gates| &mut gates.fast_lease_keep_alive),
    ("InitialCorruptCheck", Stage::Alpha, false, |gates| &mut gates.initial_corrupt_check),
    ("LeaseCheckpoint", Stage::Alpha, false, |gates| &mut gates.lease_checkpoint),
    ("LeaseCheckpointPersist", Stage::Alpha, false, |gates| &mut gates.lease_checkpoint_persist),
    ("PriorityRequest", Stage::Alpha, false, |gates| &mut gates.priority_request),
    ("SetMemberLocalAddr", Stage::Alpha, false, |gates| &mut gates.set_member_local_addr),
    ("StopGRPCServiceOnDefrag", Stage::Alpha, false, |gates| {
        &mut gates.stop_grpc_service_on_defrag
    }),
    ("TxnModeWriteWithSharedBuffer", Stage::Beta, true, |gates| {
        &mut gates.txn_mode_write_with_shared_buffer
    }),
];

impl FeatureGates {
    /// Reads `Name=true,Other=false`; the error is etcd's text. `AllAlpha` and `AllBeta` speak for
    /// the gates of their stage that are not named themselves.
    pub(crate) fn parse(text: &str) -> Result<FeatureGates, String> {
        let assigned = assignments(text)?;
        let given = |name: &str| {
            assigned.iter().rev().find(|(given, _)| *given == name).map(|(_, open)| *open)
        };
        let mut gates = FeatureGates::default();
        for (name, stage, default, field) in GATES {
            let whole_stage = match stage {
                Stage::Alpha => given(ALL_ALPHA),
                Stage::Beta => given(ALL_BETA),
            };
            *field(&mut gates) = given(name).or(whole_stage).unwrap_or(*default);
        }
        let whole = |name| given(name).unwrap_or(false);
        gates.whole_stages = (whole(ALL_ALPHA), whole(ALL_BETA));
        Ok(gates)
    }

    /// All of them with their stages, and whether they are open; the gates for all of a stage too.
    pub fn list(&self) -> Vec<(&'static str, &'static str, bool)> {
        let mut gates = self.clone();
        let list = GATES.iter().map(|(name, stage, _, field)| {
            let stage = if *stage == Stage::Alpha { "ALPHA" } else { "BETA" };
            (*name, stage, *field(&mut gates))
        });
        let (alpha, beta) = self.whole_stages;
        list.chain([(ALL_ALPHA, "ALPHA", alpha), (ALL_BETA, "BETA", beta)]).collect()
    }

    /// The names of those that are not as they are by default.
    pub(crate) fn changed(&self) -> Vec<&'static str> {
        let mut gates = self.clone();
        let changed = GATES.iter().filter(|(_, _, default, field)| *field(&mut gates) != *default);
        changed.map(|(name, ..)| *name).collect()
    }
}

impl Default for FeatureGates {
    fn default() -> FeatureGates {
        let mut gates = FeatureGates {
            compact_hash_check: false,
            fast_lease_keep_alive: false,
            initial_corrupt_check: false,
            lease_checkpoint: false,
            lease_checkpoint_persist: false,
            priority_request: false,
            set_member_local_addr: false,
            stop_grpc_service_on_defrag: false,
            txn_mode_write_with_shared_buffer: false,
            whole_stages: (false, false),
        };
        for (_, _, open, field) in GATES {
            *field(&mut gates) = *open;
        }
        gates
    }
}

impl TryFrom<String> for FeatureGates {
    type Error = String;

    fn try_from(text: String) -> Result<FeatureGates, String> {
        FeatureGates::parse(&text)
    }
}

/// The gates that a text names, in order; a gate that does not exist is a fault.
fn assignments(text: &str) -> Result<Vec<(&str, bool)>, String> {
    let mut assigned = Vec::new();
    for item in text.split(',').filter(|item| !item.is_empty()) {
        let (name, value) = match item.split_once('=') {
            Some((name, value)) => (name.trim(), value.trim()),
            None => return Err(format!("missing bool value for {}", item.trim())),
        };
        let open = parse_bool(value).ok_or_else(|| {
            let reason = format!("strconv.ParseBool: parsing {value:?}: invalid syntax");
            format!("invalid value of {name}={value}, err: {reason}")
        })?;
        assigned.push((name, open));
    }
    let known = |name| {
        [ALL_ALPHA, ALL_BETA].contains(&name) || GATES.iter().any(|(gate, ..)| *gate == name)
    };
    match assigned.iter().find(|(name, _)| !known(*name)) {
        Some((name, _)) => Err(format!("unrecognized feature gate: {name}")),
        None => Ok(assigned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        FeatureGates::parse(text).expect_err("the gates are refused")
    }

    #[test]
    fn two_gates_are_open_by_default() {
        let gates = FeatureGates::parse("").expect("no gates are named");
        assert_eq!(gates, FeatureGates::default());
        assert!(gates.fast_lease_keep_alive && gates.txn_mode_write_with_shared_buffer);
        assert!(!gates.lease_checkpoint);
    }

    #[test]
    fn a_stage_opens_the_gates_that_are_not_named() {
        let gates = FeatureGates::parse("AllAlpha=true, LeaseCheckpoint=0").expect("valid gates");
        assert!(gates.initial_corrupt_check && gates.stop_grpc_service_on_defrag);
        assert!(!gates.lease_checkpoint);
        let gates = FeatureGates::parse("AllBeta=false,FastLeaseKeepAlive=T").expect("valid gates");
        assert!(gates.fast_lease_keep_alive && !gates.txn_mode_write_with_shared_buffer);
    }

    #[test]
    fn all_gates_are_listed_with_their_stages() {
        let gates = FeatureGates::parse("AllAlpha=true,LeaseCheckpoint=false").expect("valid");
        let list = gates.list();
        assert_eq!(list.len(), GATES.len() + 2);
        for gate in [
            ("LeaseCheckpoint", "ALPHA", false),
            ("PriorityRequest", "ALPHA", true),
            ("FastLeaseKeepAlive", "BETA", true),
            ("AllAlpha", "ALPHA", true),
            ("AllBeta", "BETA", false),
        ] {
            assert!(list.contains(&gate), "{gate:?}");
        }
    }

    #[test]
    fn the_last_word_on_a_gate_counts() {
        let gates = FeatureGates::parse("PriorityRequest=true,PriorityRequest=false");
        assert!(!gates.expect("valid gates").priority_request);
    }

    #[test]
    fn bad_gates_get_etcds_messages() {
        assert_eq!(fault("LeaseCheckpoint"), "missing bool value for LeaseCheckpoint");
        assert_eq!(fault("Nope=true"), "unrecognized feature gate: Nope");
        assert_eq!(
            fault("LeaseCheckpoint=yes"),
            "invalid value of LeaseCheckpoint=yes, err: \
             strconv.ParseBool: parsing \"yes\": invalid syntax"
        );
    }
}
