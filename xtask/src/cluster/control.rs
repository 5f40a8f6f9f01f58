//! The commands for a cluster that was started: look, kill, restart, stop.

use anyhow::{Context, Result, bail};

use super::record::Cluster;
use super::{process, report, wait};
use crate::checkout::Checkout;

/// Shows the members; fails when none of them runs.
pub(crate) fn status(checkout: &Checkout) -> Result<()> {
    let cluster = Cluster::read(&checkout.cluster())?;
    say!("{}", super::block_on(async { Ok(report::table(&cluster).await) })?);
    if !cluster.members.iter().any(process::is_running) {
        bail!("no member runs; `cargo xtask cluster-up` goes on with this cluster");
    }
    Ok(())
}

/// Ends a member as a crash would.
pub(crate) fn kill(checkout: &Checkout, member: &str) -> Result<()> {
    let folder = checkout.cluster();
    let mut cluster = Cluster::read(&folder)?;
    let position = cluster.position(member)?;
    let member = &mut cluster.members[position];
    if !process::is_running(member) {
        bail!("{} does not run", member.name);
    }
    // Recorded first, so that a `cluster-up` that looks on takes the death for wanted.
    let mut victim = member.clone();
    member.process = None;
    cluster.save(&folder)?;
    process::kill(&mut victim)?;
    say!(
        "{} is killed; `cargo xtask cluster-restart {}` starts it again",
        victim.name,
        position + 1
    );
    Ok(())
}

/// Starts a member, after stopping it gently if it runs, and waits until it serves.
pub(crate) fn restart(checkout: &Checkout, member: &str) -> Result<()> {
    let folder = checkout.cluster();
    let mut cluster = Cluster::read(&folder)?;
    let position = cluster.position(member)?;
    process::stop(&mut cluster.members[position..=position])?;
    process::check_ports(&cluster.members[position])?;
    let program = cluster.program.clone();
    let member = &mut cluster.members[position];
    process::start(&program, member).with_context(|| format!("starting {} again", member.name))?;
    cluster.save(&folder)?;
    super::block_on(async {
        wait::until_serving(&cluster.members[position..=position]).await?;
        say!("{}", report::table(&cluster).await);
        Ok(())
    })
}

/// Stops all members gently.
pub(crate) fn down(checkout: &Checkout) -> Result<()> {
    let folder = checkout.cluster();
    let mut cluster = Cluster::read(&folder)?;
    let running = cluster.members.iter().filter(|member| process::is_running(member)).count();
    process::stop(&mut cluster.members)?;
    cluster.save(&folder)?;
    match running {
        0 => say!("No member was running."),
        1 => say!("1 member is stopped; its data stays."),
        count => say!("{count} members are stopped; their data stays."),
    }
    Ok(())
}
