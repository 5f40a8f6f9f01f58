//! Commands: from a request into raft, and the wait for the answer.

use std::time::Duration;

use etcd_apply::{Answer, Outcome, Reply};
use etcd_proto::etcdserverpb::{InternalRaftRequest, RequestHeader};
use etcd_raft::ProposeError;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::deadline::{Deadline, SetBy};
use crate::encoded_command::EncodedCommand;
use crate::metrics::Requested;
use crate::{Api, Error};

/// The most entries that may be committed and not applied before commands are turned away.
const MAX_BACKLOG: u64 = 5000;

impl Api {
    /// Brings a command into the log in the name of its caller, and waits until this member has
    /// applied it.
    pub(crate) async fn propose_for(
        &self,
        caller: &Caller,
        mut command: EncodedCommand,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        self.check_backlog()?;
        let identity = self.identify(caller, deadline).await?;
        if !identity.is_nobody() {
            let (username, auth_revision) = (identity.user, identity.revision);
            command.sign(&RequestHeader { username, auth_revision, id: 0 });
        }
        let answer = self.propose_ready(command, deadline).await;
        if answer == Err(Error::NoSpace) {
            self.report_overrun(deadline).await;
        }
        answer
    }

    /// The same for what the member itself must do, in nobody's name.
    pub(crate) async fn propose(
        &self,
        command: &InternalRaftRequest,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        self.check_backlog()?;
        self.propose_ready(EncodedCommand::of(command), deadline).await
    }

    fn check_backlog(&self) -> Result<(), Error> {
        if self.raft.backlog() > MAX_BACKLOG { Err(Error::TooManyRequests) } else { Ok(()) }
    }

    async fn propose_ready(
        &self,
        command: EncodedCommand,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let (kind, begun) = (command.kind(), Instant::now());
        let reply = self.propose_since(begun, command, deadline).await;
        // In etcd a command that was refused when it was applied is a request that went well.
        let outcome = if reply.is_ok() { Outcome::Done } else { Outcome::Refused };
        self.metrics.figures().note_request(Requested::Command(kind), outcome, begun.elapsed());
        Ok(reply??)
    }

    async fn propose_since(
        &self,
        begun: Instant,
        command: EncodedCommand,
        deadline: Deadline,
    ) -> Result<Reply, Error> {
        if command.len_in_etcd(self.member_id) > self.limits.max_request_bytes {
            return Err(Error::RequestTooLarge);
        }
        match self.raft.propose(command.into_bytes(), deadline.at).await {
            Ok(reply) => Ok(reply),
            Err(late @ (ProposeError::NotAccepted | ProposeError::Unknown)) => {
                // Without a leader nothing took it, and etcd passes the raw error on. What only
                // waited for its turn, etcd had taken.
                let is_taken = late == ProposeError::Unknown || self.raft.had_leader_since(begun);
                match deadline.set_by {
                    SetBy::Member if is_taken => Err(self.lateness(begun)),
                    // At the client's own limit etcd's gRPC library ends the stream before any
                    // status is sent, and clients make this of it.
                    SetBy::Client | SetBy::Member => Err(Error::DeadlineExceeded),
                }
            }
            Err(ProposeError::Dropped) => Err(Error::ProposalDropped),
            Err(ProposeError::Stopped) => Err(Error::Stopped),
        }
    }

    /// What etcd blames for a command that it took at `begun` and that was not applied in time.
    fn lateness(&self, begun: Instant) -> Error {
        let suspect = Suspect {
            elected: self.raft.elected(),
            has_leader: self.raft.leader().is_some(),
            is_connected: self.raft.is_connected_since(begun),
        };
        suspect.blame(begun, self.raft.election_timeout())
    }
}

/// What there is to blame for a command that is late.
struct Suspect {
    /// When this member last became the leader.
    elected: Option<Instant>,
    has_leader: bool,
    /// Whether the connections to the leader, or the leader's to a quorum, held all the time.
    is_connected: bool,
}

impl Suspect {
    fn blame(&self, begun: Instant, election_timeout: Duration) -> Error {
        let after_failure =
            |elected: Instant| begun < elected && elected < begun + election_timeout * 2;
        if self.elected.is_some_and(after_failure) {
            Error::TimeoutDueToLeaderFail
        } else if self.has_leader && !self.is_connected {
            Error::TimeoutDueToConnectionLost
        } else {
            Error::Timeout
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_command_is_blamed_as_etcd_does() {
        let election_timeout = Duration::from_secs(1);
        let begun = Instant::now();
        let blame = |elected_after: Option<u64>, has_leader, is_connected| {
            let elected = elected_after.map(|ms| begun + Duration::from_millis(ms));
            Suspect { elected, has_leader, is_connected }.blame(begun, election_timeout)
        };
        assert_eq!(blame(None, true, true), Error::Timeout);
        assert_eq!(blame(None, true, false), Error::TimeoutDueToConnectionLost);
        assert_eq!(blame(None, false, false), Error::Timeout, "nobody to be connected to");
        // This member became the leader soon after the command came, and not before.
        assert_eq!(blame(Some(0), true, true), Error::Timeout);
        for connected in [true, false] {
            assert_eq!(blame(Some(1), true, connected), Error::TimeoutDueToLeaderFail);
            assert_eq!(blame(Some(1999), true, connected), Error::TimeoutDueToLeaderFail);
        }
        assert_eq!(blame(Some(2000), true, true), Error::Timeout);
    }
}
