//! One of the two that are compared, as clients see it.

use super::answer::Answer;
use super::call::Call;
use super::caller::{Caller, KEEPER, KEEPER_PASSWORD};
use super::compare::Maker;
use super::names::Names;
use super::operation::Operation;
use super::told::Told;
use etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use etcd_proto::etcdserverpb::{AuthenticateRequest, RangeRequest, StatusRequest};
use tonic::transport::{Channel, Endpoint};

/// More than a watch stream ever has to send before it is read.
const WINDOW: u32 = 64 << 20;

/// A server or a cluster.
pub(crate) struct Side {
    pub(crate) maker: Maker,
    /// What it picked itself.
    pub(crate) names: Names,
    channels: Vec<Channel>,
    /// Members that may not have applied all that others have.
    is_behind: Vec<bool>,
    /// Whether users are asked who they are.
    has_auth: bool,
    /// The keeper's token, if it has a good one.
    keeper: Option<String>,
}

impl Side {
    /// With members at these URLs.
    ///
    /// # Panics
    ///
    /// When the first of them does not answer.
    pub(crate) async fn new(urls: &[String], maker: Maker) -> Side {
        let channel = |url: &String| {
            let endpoint = Endpoint::from_shared(url.clone()).expect("a URL");
            endpoint
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .tcp_nodelay(true)
                .connect_lazy()
        };
        let channels: Vec<Channel> = urls.iter().map(channel).collect();
        let mut client = MaintenanceClient::new(channels[0].clone());
        let status = client.status(StatusRequest {}).await.expect("the server answers");
        let header = status.into_inner().header.expect("every answer has a header");
        Side {
            maker,
            names: Names::of(header.member_id),
            is_behind: vec![false; channels.len()],
            channels,
            has_auth: false,
            keeper: None,
        }
    }

    /// How many members it has.
    pub(crate) fn members(&self) -> usize {
        self.channels.len()
    }

    pub(crate) fn channel(&self, member: usize) -> &Channel {
        &self.channels[member]
    }

    /// Sends a request to a member.
    pub(crate) async fn ask(
        &mut self,
        member: usize,
        caller: Caller,
        operation: &Operation,
    ) -> Answer {
        let (asked, token) = self.prepare(member, caller, operation).await;
        let answer = Answer::to(&asked, &self.channels[member], token.as_deref()).await;
        self.answered(member, operation, answer)
    }

    /// The request as this server is asked it, and the caller's token.
    pub(crate) async fn prepare(
        &mut self,
        member: usize,
        caller: Caller,
        operation: &Operation,
    ) -> (Operation, Option<String>) {
        if matches!(operation, Operation::Call(call) if call.asks_leader()) {
            for member in 0..self.members() {
                self.level(member).await;
            }
        }
        // A member that is behind also takes tokens that are good no more.
        if operation.is_local() || self.has_auth {
            self.level(member).await;
        }
        (self.names.of_server(operation.clone()), self.token(caller).await)
    }

    /// Takes notice of an answer, and takes out of it what the server picked itself.
    pub(crate) fn answered(
        &mut self,
        member: usize,
        operation: &Operation,
        mut answer: Answer,
    ) -> Answer {
        if operation.is_write() {
            self.is_behind.fill(true);
            // Whoever answers has applied it.
            self.is_behind[member] = false;
        }
        if let (Operation::Call(call), Answer::Told(_)) = (operation, &answer) {
            match call {
                Call::AuthEnable => self.has_auth = true,
                Call::AuthDisable => self.has_auth = false,
                _ => {}
            }
            if call.changes_rights() {
                // A signed token may be too old now.
                self.keeper = None;
            }
        }
        self.names.learn(operation, &mut answer);
        answer
    }

    /// Takes notice of a change that nobody asked for, or whose answer is still awaited.
    pub(crate) fn fall_behind(&mut self) {
        self.is_behind.fill(true);
    }

    /// Waits until a member has applied all that was answered so far: a linearizable read does.
    pub(crate) async fn level(&mut self, member: usize) {
        if !std::mem::take(&mut self.is_behind[member]) {
            return;
        }
        let read = RangeRequest { key: "a".into(), count_only: true, ..RangeRequest::default() };
        let token = self.keeper().await;
        // What follows tells when this fails.
        Answer::to(&Operation::Range(read), &self.channels[member], token.as_deref()).await;
    }

    /// What a caller shows, if anything.
    pub(crate) async fn token(&mut self, caller: Caller) -> Option<String> {
        match caller {
            Caller::Nobody => None,
            Caller::Token(place) => self.names.token(place),
            Caller::Forged(token) => Some(token.to_owned()),
            Caller::Keeper => self.keeper().await,
        }
    }

    async fn keeper(&mut self) -> Option<String> {
        if self.has_auth && self.keeper.is_none() {
            let (name, password) = (KEEPER.to_owned(), KEEPER_PASSWORD.to_owned());
            let login = Call::Authenticate(usize::MAX, AuthenticateRequest { name, password });
            let login = Operation::Call(login);
            if let Answer::Told(Told::Authenticate(response)) =
                Answer::to(&login, &self.channels[0], None).await
            {
                self.keeper = Some(response.token);
            }
        }
        self.keeper.clone().filter(|_| self.has_auth)
    }
}
