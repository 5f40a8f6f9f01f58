//! Everything that can be wrong with a configuration, a change or a record of the member set.

use crate::MemberId;

/// What was wrong. The texts are etcd's own: programs and people match on them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A member with this id was removed; its id is banned for ever.
    #[error("membership: ID removed")]
    IdRemoved,
    /// A member with this id is there already.
    #[error("membership: ID exists")]
    IdExists,
    /// No member has this id.
    #[error("membership: ID not found")]
    IdNotFound,
    /// Another member has one of the peer URLs.
    #[error("membership: peerURL exists")]
    PeerUrlExists,
    /// Only a learner can be promoted.
    #[error("membership: can only promote a learner member")]
    NotLearner,
    /// The cluster has as many learners as `--max-learners` allows.
    #[error("membership: too many learner members in cluster")]
    TooManyLearners,
    /// Nobody would be left who decides.
    #[error("membership: no voter would be left")]
    LastVoter,
    /// A URL, or a list of them, that no member can have.
    #[error("{0}")]
    InvalidUrls(String),
    /// An id that is not hexadecimal text of at most 64 bits.
    #[error("invalid id {0:?}")]
    InvalidId(String),
    /// `--initial-cluster` does not name the member that starts.
    #[error("couldn't find local name {0:?} in the initial cluster configuration")]
    LocalNameMissing(String),
    /// Two entries of `--initial-cluster` are the same URL.
    #[error("initial cluster {0} has duplicate url")]
    DuplicateUrl(String),
    /// `--initial-cluster` names nobody.
    #[error("initial cluster unset and no discovery endpoints found")]
    EmptyCluster,
    /// Two members of the initial cluster hash to one id; holds the second of them.
    #[error("member exists with identical ID {0}")]
    IdenticalId(String),
    /// A member of the initial cluster hashes to zero, which raft keeps for "nobody".
    #[error("cannot use 0 as member ID")]
    ZeroId,
    /// `--initial-advertise-peer-urls` is not what `--initial-cluster` says of this member.
    #[error("{0}")]
    AdvertisedOtherwise(String),
    /// The configuration and the running cluster have different numbers of members.
    #[error("member count is unequal")]
    CountUnequal,
    /// A member of the running cluster is not in the configuration.
    #[error(
        "PeerURLs: no match found for existing member ({id}, [{urls}]), \
         last resolver error ({reason})"
    )]
    NoMatch {
        /// The running cluster's member.
        id: MemberId,
        /// Its peer URLs, separated by spaces.
        urls: String,
        /// Why the last entry looked at was not the same.
        reason: String,
    },
    /// A stored member record that is not one.
    #[error("malformed member record: {0}")]
    MalformedRecord(String),
}
