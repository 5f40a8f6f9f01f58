//! Commands: from a request into raft, and the wait for the answer.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use etcd_apply::{Answer, Kind, Outcome, Reply};
use etcd_proto::etcdserverpb::{InternalRaftRequest, RequestHeader};
use etcd_raft::ProposeError;
use etcd_spans::Request;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::deadline::{Deadline, SetBy};
use crate::encoded_command::EncodedCommand;
use crate::looked_at::{APPLY, COMMIT};
use crate::metrics::Requested;
use crate::{Api, Error};

/// What is noted of a command that leaves, in etcd's words.
const PROPOSED: &str = "Send raft proposal";
/// And of its reply.
const REPLIED: &str = "Receive raft result";

impl Api {
    /// Brings a command into the log in the name of its caller, and waits until this member has
    /// applied it.
    pub(crate) async fn propose_for(
        &self,
        caller: &Caller,
        command: EncodedCommand,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let (answer, _) = self.propose_timed(caller, command, &deadline).await?;
        Ok(answer)
    }

    /// The same, and when the answer was there.
    pub(crate) async fn propose_timed(
        &self,
        caller: &Caller,
        mut command: EncodedCommand,
        deadline: &Deadline,
    ) -> Result<(Answer, Instant), Error> {
        let looked_at = self.looked_at(caller);
        let admitted = self.check_backlog(command.kind());
        admitted.map_err(|error| told(looked_at, error))?;
        let identity = self.identify(caller, *deadline).await;
        let identity = identity.map_err(|error| told(looked_at, error))?;
        if !identity.is_nobody() {
            let (username, auth_revision) = (identity.user, identity.revision);
            command.sign(&RequestHeader { username, auth_revision, id: 0 });
        }
        let answer = self.propose_ready(command, deadline, looked_at).await;
        if matches!(answer, Err(Error::NoSpace)) {
            self.report_overrun(*deadline).await;
        }
        answer
    }

    /// The same for what the member itself must do, in nobody's name.
    pub(crate) async fn propose(
        &self,
        command: &InternalRaftRequest,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let command = EncodedCommand::of(command);
        self.check_backlog(command.kind())?;
        let (answer, _) = self.propose_ready(command, &deadline, None).await?;
        Ok(answer)
    }

    fn check_backlog(&self, kind: Kind) -> Result<(), Error> {
        match self.limits.overload.admits(kind, self.raft.backlog()) {
            true => Ok(()),
            false => Err(Error::TooManyRequests),
        }
    }

    async fn propose_ready(
        &self,
        command: EncodedCommand,
        deadline: &Deadline,
        looked_at: Option<&Request>,
    ) -> Result<(Answer, Instant), Error> {
        let kind = command.kind();
        let reply = if command.len_in_etcd(self.member_id) > self.limits.max_request_bytes {
            Err(Error::RequestTooLarge)
        } else {
            let command = command.into_bytes();
            let reply = match looked_at {
                None => self.raft.propose(command, deadline.at).await,
                Some(request) => {
                    Box::pin(self.propose_looked_at(request, command, deadline.at)).await
                }
            };
            reply.map_err(|error| self.unreplied(error, deadline))
        };
        // In etcd a command that was refused when it was applied is a request that went well.
        let outcome = if reply.is_ok() { Outcome::Done } else { Outcome::Refused };
        let ended = Instant::now();
        let took = ended.saturating_duration_since(deadline.begun);
        self.metrics.figures().note_request(Requested::Command(kind), outcome, took);
        let answer = reply.map_err(|error| told(looked_at, error))??;
        Ok((answer, ended))
    }

    /// What a client is told of a command without a reply.
    fn unreplied(&self, error: ProposeError, deadline: &Deadline) -> Error {
        match error {
            late @ (ProposeError::NotAccepted | ProposeError::Unknown) => {
                // Without a leader nothing took it, and etcd passes the raw error on. What only
                // waited for its turn, etcd had taken.
                let is_taken =
                    late == ProposeError::Unknown || self.raft.had_leader_since(deadline.begun);
                match deadline.set_by {
                    SetBy::Member if is_taken => self.lateness(deadline.begun),
                    // At the client's own limit etcd's gRPC library ends the stream before any
                    // status is sent, and clients make this of it.
                    SetBy::Client | SetBy::Member => Error::DeadlineExceeded,
                }
            }
            ProposeError::Dropped => Error::ProposalDropped,
            ProposeError::Stopped => Error::Stopped,
        }
    }

    /// Tells when the command leaves, when it is applied, and when its reply is here.
    async fn propose_looked_at(
        &self,
        request: &Request,
        command: Bytes,
        deadline: Instant,
    ) -> Result<Reply, ProposeError> {
        request.note(PROPOSED);
        let sent = SystemTime::now();
        let mut expected = None;
        let expect = |id| expected = Some(request.expect(id));
        let reply = self.raft.propose_as(command, deadline, expect).await?;
        if let Some((begun, ended)) = expected.and_then(|expected| expected.applied()) {
            request.past_step(COMMIT, sent, begun);
            request.past_step(APPLY, begun, ended);
        }
        request.note(REPLIED);
        Ok(reply)
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

/// An error that is not the command's own is told of the request.
fn told(looked_at: Option<&Request>, error: Error) -> Error {
    if let Some(request) = looked_at {
        request.fail(&error.to_string());
    }
    error
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
