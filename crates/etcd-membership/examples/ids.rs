//! Prints the member ids and the cluster id of an initial cluster:
//! `cargo run -p etcd-membership --example ids -- 'default=http://localhost:2380' etcd-cluster`

use anyhow::{Context, Result};
use etcd_membership::{InitialCluster, cluster_id};

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let cluster = arguments.next().context("usage: ids NAME=URL[,NAME=URL...] [TOKEN]")?;
    let token = arguments.next().unwrap_or_else(|| "etcd-cluster".to_owned());
    let members = InitialCluster::parse(&cluster)?.members(&token)?;
    for member in members.iter() {
        println!("{} {}", member.name, member.id);
    }
    println!("cluster {}", cluster_id(members.iter().map(|member| member.id)));
    Ok(())
}
