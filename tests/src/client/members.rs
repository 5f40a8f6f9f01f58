//! Changes of the members.

use super::{Client, Failure};
use etcd_proto::etcdserverpb as pb;
use pb::cluster_client::ClusterClient;

impl Client {
    /// Adds a voter that has not started.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn add_member(&self, peer_url: &str) -> Result<pb::MemberAddResponse, Failure> {
        self.add(peer_url, false)
    }

    /// Adds a learner that has not started.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn add_learner(&self, peer_url: &str) -> Result<pb::MemberAddResponse, Failure> {
        self.add(peer_url, true)
    }

    fn add(&self, peer_url: &str, is_learner: bool) -> Result<pb::MemberAddResponse, Failure> {
        let mut client = ClusterClient::new(self.channel.clone());
        let peer_urls = vec![peer_url.to_owned()];
        self.call(client.member_add(pb::MemberAddRequest { peer_urls, is_learner }))
    }

    /// Removes a member.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn remove_member(&self, id: u64) -> Result<pb::MemberRemoveResponse, Failure> {
        let mut client = ClusterClient::new(self.channel.clone());
        self.call(client.member_remove(pb::MemberRemoveRequest { id }))
    }

    /// Gives a member another peer URL.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn update_member(
        &self,
        id: u64,
        peer_url: &str,
    ) -> Result<pb::MemberUpdateResponse, Failure> {
        let mut client = ClusterClient::new(self.channel.clone());
        let peer_urls = vec![peer_url.to_owned()];
        self.call(client.member_update(pb::MemberUpdateRequest { id, peer_urls }))
    }

    /// Makes a learner a voter.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn promote_member(&self, id: u64) -> Result<pb::MemberPromoteResponse, Failure> {
        let mut client = ClusterClient::new(self.channel.clone());
        self.call(client.member_promote(pb::MemberPromoteRequest { id }))
    }
}
