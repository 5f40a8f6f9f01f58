//! One call of LeaseKeepAlive: renewals in the order in which they are asked for.

use std::pin::Pin;
use std::sync::Arc;

use etcd_apply::Views;
use etcd_auth::Identity;
use etcd_proto::etcdserverpb::{LeaseKeepAliveRequest, LeaseKeepAliveResponse};
use futures_util::stream;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::looked_at;
use crate::metrics::Streams;
use crate::require_leader::Ending;
use crate::watch_stream::is_failure;
use crate::{Api, Error, rewording};

/// What a call of LeaseKeepAlive answers with.
pub(crate) type Responses =
    Pin<Box<dyn Stream<Item = Result<LeaseKeepAliveResponse, Status>> + Send>>;

/// A client's renewals.
struct KeepAlive {
    api: Arc<Api>,
    caller: Caller,
    requests: Streaming<LeaseKeepAliveRequest>,
    /// Resolves with the reason to end the stream.
    ending: Ending,
}

/// Answers one response for each request, as the client takes them. The stream ends with the
/// requests, or with the first one that fails.
pub(crate) fn responses(
    api: Arc<Api>,
    caller: Caller,
    requests: Streaming<LeaseKeepAliveRequest>,
    ending: Ending,
) -> Responses {
    // It moves with every response: boxed, that is a pointer.
    let keep_alive = Box::new(KeepAlive { api, caller, requests, ending });
    Box::pin(stream::unfold(Some(keep_alive), async |keep_alive| {
        let mut keep_alive = keep_alive?;
        match keep_alive.next().await {
            Ok(Some(response)) => Some((Ok(response), Some(keep_alive))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    }))
}

impl KeepAlive {
    /// The next response; `None` when the client has nothing more to ask.
    async fn next(&mut self) -> Result<Option<LeaseKeepAliveResponse>, Status> {
        let KeepAlive { api, caller, requests, ending } = self;
        let next = async {
            let received = requests.message().await.map_err(rewording::reword_status);
            if received.as_ref().is_err_and(is_failure) {
                api.metrics.figures().count_failed_stream(Streams::KeepAlive);
            }
            match received? {
                Some(request) => Ok(Some(renew(api, caller, request.id).await?)),
                None => Ok(None),
            }
        };
        tokio::select! {
            next = next => next,
            error = ending => Err(error.into()),
        }
    }
}

async fn renew(api: &Api, caller: &Caller, id: i64) -> Result<LeaseKeepAliveResponse, Error> {
    let _step = api.step(caller, "lease_renew", || looked_at::lease(id));
    // Its revision must not be newer than the renewal: a client that sees a lease renewed at a
    // revision relies on its keys having been there then.
    let header = Some(api.header(api.views.mvcc.revision()));
    let deadline = Deadline::of(caller.metadata(), api.limits.request_timeout);
    let check = |views: &Views, who: &Identity| {
        views.check_somebody(who)?;
        views.check_renewal(who, id)
    };
    api.permit(caller, deadline, check).await?;
    let ttl = api.renew_lease(id).await?;
    Ok(LeaseKeepAliveResponse { header, id, ttl })
}
