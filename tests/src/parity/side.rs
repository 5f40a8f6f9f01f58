//! One of the two that are compared, as clients see it.

use super::answer::Answer;
use super::compare::Maker;
use super::operation::Operation;
use etcd_proto::etcdserverpb::RangeRequest;
use tonic::transport::{Channel, Endpoint};

/// More than a watch stream ever has to send before it is read.
const WINDOW: u32 = 64 << 20;

/// A server or a cluster.
pub(crate) struct Side {
    pub(crate) maker: Maker,
    channels: Vec<Channel>,
    /// Members that may not have applied all that others have.
    is_behind: Vec<bool>,
}

impl Side {
    /// With members at these URLs.
    pub(crate) fn new(urls: &[String], maker: Maker) -> Side {
        let channel = |url: &String| {
            let endpoint = Endpoint::from_shared(url.clone()).expect("a URL");
            endpoint
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .tcp_nodelay(true)
                .connect_lazy()
        };
        let channels: Vec<Channel> = urls.iter().map(channel).collect();
        Side { maker, is_behind: vec![false; channels.len()], channels }
    }

    /// How many members it has.
    pub(crate) fn members(&self) -> usize {
        self.channels.len()
    }

    pub(crate) fn channel(&self, member: usize) -> &Channel {
        &self.channels[member]
    }

    /// Sends a request to a member.
    pub(crate) async fn ask(&mut self, member: usize, operation: &Operation) -> Answer {
        if operation.is_local() {
            self.level(member).await;
        }
        let answer = Answer::to(operation, &self.channels[member]).await;
        if operation.is_write() {
            self.is_behind.fill(true);
            // Whoever answers has applied it.
            self.is_behind[member] = false;
        }
        answer
    }

    /// Waits until a member has applied all that was answered so far: a linearizable read does.
    pub(crate) async fn level(&mut self, member: usize) {
        if !std::mem::take(&mut self.is_behind[member]) {
            return;
        }
        let read = RangeRequest { key: "a".into(), count_only: true, ..RangeRequest::default() };
        // What follows tells when this fails.
        Answer::to(&Operation::Range(read), &self.channels[member]).await;
    }
}
