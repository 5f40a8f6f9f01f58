//! A learner becomes a voter: only the leader knows whether it is ready.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use etcd_membership::{Change, MemberId};
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tonic::{Request, Status};

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::lease_leader::Leader;
use crate::limits::NO_LIMIT;
use crate::{Api, Error, Strictness};

/// Of what the leader's log holds, a learner must have as many entries of a hundred (etcd: 90).
const READY_PERCENT: u64 = 90;
/// How long until the leader is asked again (etcd: 500 ms).
const RETRY_PACE: Duration = Duration::from_millis(500);
/// Where a leader is asked on its peer listener; the id follows in decimal.
const PATH: &str = "/members/promote/";
/// Where the token stands among the metadata.
const TOKEN: &str = "authorization";

/// What the peer listener promotes learners with, in the name of whoever has the token.
pub fn promoter(
    api: Api,
) -> impl Fn(MemberId, Option<HeaderValue>) -> BoxFuture<'static, Result<(), Status>> {
    move |id, token| {
        let api = api.clone();
        Box::pin(async move {
            let mut request = Request::new(());
            if let Some(token) = token.and_then(|token| token.to_str().ok()?.parse().ok()) {
                request.metadata_mut().insert(TOKEN, token);
            }
            let deadline = Deadline::of(request.metadata(), NO_LIMIT);
            let (caller, ()) = Caller::split(request);
            Ok(api.promote(&caller, id, deadline).await?)
        })
    }
}

impl Api {
    /// Promotes a learner, here or by whoever leads, and waits until this member has applied it.
    pub(crate) async fn promote(
        &self,
        caller: &Caller,
        id: MemberId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let promoted = self.promote_here(caller, id, deadline).await;
        match &promoted {
            Ok(()) => self.metrics.figures().learners_promoted.raise(),
            Err(Error::NotLeader) => return self.promote_there(caller, id, deadline).await,
            Err(error) => self.metrics.figures().count_failed_promotion(reason(error)),
        }
        promoted
    }

    async fn promote_here(
        &self,
        caller: &Caller,
        id: MemberId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.permit_admin(caller, deadline).await?;
        self.check_ready(id).await?;
        let is_strict = self.reconfiguration.strictness == Strictness::Strict;
        if is_strict && !self.views.cluster().members.is_ready_to_promote() {
            return Err(Error::NotEnoughStartedMembers);
        }
        self.change_members(Change::Promote(id), deadline).await
    }

    /// Whether the log of a member is close to this one's, which leads.
    async fn check_ready(&self, id: MemberId) -> Result<(), Error> {
        self.wait_until_applied().await?;
        let progress = self.raft.progress(id).ok_or(Error::NotLeader)?;
        let reached = progress.member.ok_or(Error::MemberNotFound)?;
        match reached.saturating_mul(100) < progress.leader.saturating_mul(READY_PERCENT) {
            true => Err(Error::LearnerNotReady),
            false => Ok(()),
        }
    }

    async fn promote_there(
        &self,
        caller: &Caller,
        id: MemberId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let until = deadline.at.min(Instant::now() + self.limits.request_timeout);
        while Instant::now() < until {
            match self.wait_for_leader(until).await? {
                Leader::Here => match self.promote_here(caller, id, deadline).await {
                    Err(Error::NotLeader) => {}
                    promoted => return promoted,
                },
                Leader::There(leader) => {
                    for url in &leader.peer_urls {
                        if let Some(promoted) = self.ask_to_promote(url, caller, id, until).await {
                            promoted?;
                            return self.wait_until_promoted(id, deadline).await;
                        }
                    }
                }
            }
            tokio::time::sleep_until(until.min(Instant::now() + RETRY_PACE)).await;
        }
        Err(Error::Timeout)
    }

    /// What the leader at a URL says; nothing if it is worth asking again.
    async fn ask_to_promote(
        &self,
        url: &str,
        caller: &Caller,
        id: MemberId,
        until: Instant,
    ) -> Option<Result<(), Error>> {
        let mut headers = HeaderMap::new();
        if let Some(token) = caller.token().and_then(|token| HeaderValue::from_str(token).ok()) {
            headers.insert(header::AUTHORIZATION, token);
        }
        let limit = until.saturating_duration_since(Instant::now());
        let path = format!("{PATH}{}", id.0);
        let answer = self.reconfiguration.dialer.post(url, &path, headers, limit).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, url, "the leader could not be asked to promote a learner");
                return None;
            }
        };
        let text = String::from_utf8_lossy(answer.body());
        let is_told = |error: &Error| text.contains(&reason(error));
        match answer.status() {
            StatusCode::OK => Some(Ok(())),
            StatusCode::NOT_FOUND => Some(Err(Error::MemberNotFound)),
            StatusCode::PRECONDITION_FAILED => {
                [Error::LearnerNotReady, Error::MemberNotLearner].into_iter().find(is_told).map(Err)
            }
            status => {
                tracing::warn!(%status, url, "the leader did not promote a learner");
                None
            }
        }
    }

    async fn wait_until_promoted(&self, id: MemberId, deadline: Deadline) -> Result<(), Error> {
        let change = Change::Promote(id);
        let made = self.raft.wait_until_made(&change);
        match tokio::time::timeout_at(deadline.at, made).await {
            Ok(made) => Ok(made?),
            Err(_) => Err(Error::DeadlineExceeded),
        }
    }
}

/// What members say to each other of an error, and metrics of a promotion that failed.
pub(crate) fn reason(error: &Error) -> String {
    use etcd_membership::Error as E;
    match error {
        Error::MemberNotFound => E::IdNotFound.to_string(),
        Error::MemberNotLearner => E::NotLearner.to_string(),
        error => error.to_string(),
    }
}
