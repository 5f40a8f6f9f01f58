//! The service Watch: changes of keys, as they happen and as they happened.

use std::pin::Pin;
use std::sync::Arc;

use etcd_proto::etcdserverpb::watch_server::Watch;
use etcd_proto::etcdserverpb::{WatchRequest, WatchResponse};
use futures_util::stream;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::Api;
use crate::caller::Caller;
use crate::watch_stream::WatchStream;

/// What a call of Watch answers with.
pub(crate) type Responses = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

/// Answers for watchers.
pub(crate) struct WatchService {
    api: Arc<Api>,
}

impl WatchService {
    pub(crate) fn new(api: Arc<Api>) -> WatchService {
        WatchService { api }
    }
}

#[tonic::async_trait]
impl Watch for WatchService {
    type WatchStream = Responses;

    /// The stream has no task of its own: it goes on as the client takes its responses, and is gone
    /// with the call.
    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let ending = self.api.ending(request.metadata().as_ref());
        let (caller, requests) = Caller::split(request);
        let watch = WatchStream::new(self.api.clone(), caller, requests, ending);
        let responses = stream::unfold(Some(watch), async |watch| {
            let mut watch = watch?;
            match watch.next().await {
                Ok(response) => Some((Ok(response), Some(watch))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(Box::pin(responses)))
    }
}
