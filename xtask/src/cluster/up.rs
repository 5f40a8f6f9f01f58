//! `cluster-up`: from the sources to a cluster that serves.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use super::plan::{self, Doors, Shape, Up};
use super::record::Cluster;
use super::{certificates, process, report, wait};
use crate::cargo::Profile;
use crate::checkout::Checkout;
use crate::{cargo, host, rocksdb};

/// How often the foreground command looks whether a member has ended.
const LOOK: Duration = Duration::from_millis(250);

/// Builds the server, starts the members, and stays until Ctrl-C or until all have ended.
pub(crate) fn up(checkout: &Checkout, options: &Up) -> Result<()> {
    let folder = checkout.cluster();
    let mut cluster = options.plan(&folder)?;
    let earlier = match options.fresh {
        // A record that cannot be read says nothing about processes, and shall go.
        true => Cluster::find(&folder).unwrap_or_default(),
        false => Cluster::find(&folder)?,
    };
    earlier.iter().try_for_each(refuse_running)?;
    process::check_apart(&cluster.members)?;
    cluster.members.iter().try_for_each(process::check_ports)?;
    let earlier = match options.fresh {
        true => clear(&folder)?,
        false => earlier,
    };
    earlier.iter().try_for_each(|earlier| refuse_other(earlier, &cluster.shape))?;
    cluster.program = match &options.server {
        Some(program) => find(program)?,
        None => build(checkout)?,
    };
    if let Shape::Local { doors: Doors::Tls, .. } = cluster.shape {
        let names: Vec<_> = cluster.members.iter().map(|member| member.name.as_str()).collect();
        let tls = plan::certificates_folder(&folder);
        certificates::provide(&tls, &[names, vec![plan::CLIENT]].concat())?;
    }
    if earlier.is_some() {
        say!("Going on with the data in {}", folder.display());
    }
    super::block_on(run(&folder, cluster, options))
}

fn build(checkout: &Checkout) -> Result<PathBuf> {
    host::provide(host::BUILD)?;
    rocksdb::provide(checkout)?;
    cargo::build_server(checkout, Profile::Release)
}

/// A program given by its path, or by its name alone.
fn find(program: &Path) -> Result<PathBuf> {
    match program.is_file() {
        // Members run in another folder.
        true => std::path::absolute(program).context("finding the working directory"),
        false => Ok(program.to_path_buf()),
    }
}

/// Deletes what an earlier cluster left, and says that there is none now.
fn clear(folder: &Path) -> Result<Option<Cluster>> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("deleting {}", folder.display()))
        }
        _ => Ok(None),
    }
}

fn refuse_other(earlier: &Cluster, shape: &Shape) -> Result<()> {
    if earlier.shape != *shape {
        bail!(
            "there is the data of another cluster here: {}.\n\
             `cargo xtask cluster-up --fresh` with your options deletes it and starts an empty \
             cluster",
            earlier.shape
        );
    }
    Ok(())
}

fn refuse_running(cluster: &Cluster) -> Result<()> {
    let running = cluster.members.iter().filter(|member| process::is_running(member));
    let names: Vec<_> = running.map(|member| member.name.as_str()).collect();
    if !names.is_empty() {
        bail!(
            "a cluster is running already ({}).\n\
             `cargo xtask cluster-status` shows it, `cargo xtask cluster-down` stops it",
            names.join(", ")
        );
    }
    Ok(())
}

async fn run(folder: &Path, mut cluster: Cluster, options: &Up) -> Result<()> {
    let started = match start(folder, &mut cluster) {
        Err(error) => Err(error),
        Ok(children) => tokio::select! {
            serving = wait::until_serving(&cluster.members) => serving.map(|()| children),
            name = told_to_end() => Err(anyhow::anyhow!("{} before the members served", name?)),
        },
    };
    let children = match started {
        Ok(children) => children,
        Err(error) => {
            process::stop(&mut cluster.members)?;
            cluster.save(folder)?;
            return Err(error);
        }
    };
    say!("{}", report::table(&cluster).await);
    say!("Logs and data are in {}. To try it:\n", folder.display());
    report::commands(&cluster).iter().for_each(|command| say!("  {command}"));
    if options.detach {
        return Ok(());
    }
    say!("\nCtrl-C stops the cluster.");
    tokio::select! {
        result = watch(folder, children) => result,
        name = told_to_end() => {
            say!("{}: stopping the members", name?);
            stop(folder)
        }
    }
}

fn start(folder: &Path, cluster: &mut Cluster) -> Result<Vec<Child>> {
    let members = cluster.members.iter_mut();
    let children = members.map(|member| process::start(&cluster.program, member)).collect();
    cluster.save(folder)?;
    children
}

/// Ends with the name of the first signal that asks this process to end.
async fn told_to_end() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "Ctrl-C",
        _ = terminate.recv() => "SIGTERM",
        _ = hangup.recv() => "SIGHUP",
    })
}

/// Stops the members as they are recorded now: other commands may have restarted some.
fn stop(folder: &Path) -> Result<()> {
    let mut cluster = Cluster::read(folder)?;
    process::stop(&mut cluster.members)?;
    cluster.save(folder)
}

/// Tells of members that end, until none runs any more.
async fn watch(folder: &Path, mut children: Vec<Child>) -> Result<()> {
    loop {
        tokio::time::sleep(LOOK).await;
        let mut ended = Vec::new();
        for child in &mut children {
            if let Some(status) = child.try_wait()? {
                ended.push((child.id(), status));
            }
        }
        children.retain(|child| ended.iter().all(|(process, _)| *process != child.id()));
        let cluster = Cluster::read(folder)?;
        for (process, status) in ended {
            // Members that a command of ours has stopped are no longer recorded with a process.
            let found = cluster.members.iter().position(|m| m.process == Some(process));
            if let Some(position) = found {
                say!(
                    "{} {}; `cargo xtask cluster-restart {}` starts it again",
                    cluster.members[position].name,
                    wait::describe(status),
                    position + 1
                );
            }
        }
        if children.is_empty() && !cluster.members.iter().any(process::is_running) {
            say!("No member runs any more.");
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(folder: &Path, members: u16) -> Cluster {
        plan::local(folder, members, 9, Doors::Plain).unwrap()
    }

    #[test]
    fn data_of_another_shape_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = cluster(folder.path(), 3);
        refuse_other(&earlier, &earlier.shape).unwrap();
        let other = cluster(folder.path(), 5).shape;
        let error = refuse_other(&earlier, &other).unwrap_err().to_string();
        assert!(error.contains("3 members from port 9 on") && error.contains("--fresh"), "{error}");
    }

    #[test]
    fn a_running_cluster_is_in_the_way_until_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut earlier = cluster(folder.path(), 1);
        earlier.members[0].arguments = vec!["1002".into()];
        let mut child = process::start(Path::new("sleep"), &mut earlier.members[0]).unwrap();
        let error = refuse_running(&earlier).map_err(|error| error.to_string());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(error.unwrap_err().contains("cluster-down"));
        refuse_running(&earlier).unwrap();
    }

    #[test]
    fn a_fresh_start_finds_nothing_left() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("cluster");
        assert_eq!(clear(&place).unwrap(), None);
        cluster(&place, 1).save(&place).unwrap();
        assert_eq!(clear(&place).unwrap(), None);
        assert!(!place.exists());
    }
}
