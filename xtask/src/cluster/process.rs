//! Starting members' processes, finding them again, and stopping them.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::member::Member;

/// How long members may take to stop gently.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a process is looked at that ends.
const LOOK: Duration = Duration::from_millis(20);

/// Fails when two of the members want to listen at the same address.
pub(crate) fn check_apart(members: &[Member]) -> Result<()> {
    for (position, member) in members.iter().enumerate() {
        for other in &members[..position] {
            if let Some(address) = member.listens.iter().find(|a| other.listens.contains(a)) {
                bail!(
                    "{} and {} shall both listen at {address}: on one machine each needs \
                     addresses of its own",
                    other.name,
                    member.name
                );
            }
        }
    }
    Ok(())
}

/// Fails when a member could not listen where it shall.
pub(crate) fn check_ports(member: &Member) -> Result<()> {
    for address in &member.listens {
        if let Err(error) = TcpListener::bind(address) {
            let advice = match error.kind() {
                ErrorKind::AddrInUse => {
                    "Stop what listens there, or give the members other ports: with \
                     `cargo xtask cluster-up --base-port 12379`, or in their configuration files."
                }
                ErrorKind::AddrNotAvailable => "This machine has no such address.",
                _ => "",
            };
            bail!("member {} cannot listen at {address}: {error}. {advice}", member.name);
        }
    }
    Ok(())
}

/// Starts the member; what it prints goes to its log. The process outlives this one, and a Ctrl-C
/// on the terminal does not reach it.
pub(crate) fn start(program: &Path, member: &mut Member) -> Result<Child> {
    let folder = member.log.parent().context("a log file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&member.log)
        .with_context(|| format!("opening {}", member.log.display()))?;
    let child = Command::new(program)
        .args(&member.arguments)
        .current_dir(&member.directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    member.process = Some(child.id());
    Ok(child)
}

/// Whether the member's process runs. A process that has the number by chance does not count.
pub(crate) fn is_running(member: &Member) -> bool {
    let Some(process) = member.process else { return false };
    if has_ended(process) {
        return false;
    }
    let Ok(command_line) = fs::read(format!("/proc/{process}/cmdline")) else { return false };
    // A process that is just being started has no command line yet.
    let words = command_line.split(|byte| *byte == 0).skip(1).filter(|word| !word.is_empty());
    command_line.is_empty() || words.eq(member.arguments.iter().map(String::as_bytes))
}

/// Whether the process is gone, or only still listed because its parent has not asked how it ended.
fn has_ended(process: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return true };
    // The state follows the program's name, which stands in parentheses and may hold some itself.
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']))
}

/// Stops the members gently, and those hard that do not listen.
pub(crate) fn stop(members: &mut [Member]) -> Result<()> {
    for member in members.iter().filter(|member| is_running(member)) {
        signal(member, Signal::TERM)?;
    }
    let deadline = Instant::now() + PATIENCE;
    while members.iter().any(is_running) && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
    for member in members.iter_mut() {
        if is_running(member) {
            say!("{} has not stopped within {PATIENCE:?} and is killed", member.name);
            kill(member)?;
        }
        member.process = None;
    }
    Ok(())
}

/// Ends the member's process at once, and waits until it is gone.
pub(crate) fn kill(member: &mut Member) -> Result<()> {
    signal(member, Signal::KILL)?;
    let deadline = Instant::now() + PATIENCE;
    while is_running(member) {
        if Instant::now() > deadline {
            bail!("{} is still there {PATIENCE:?} after it was killed", member.name);
        }
        std::thread::sleep(LOOK);
    }
    member.process = None;
    Ok(())
}

fn signal(member: &Member, signal: Signal) -> Result<()> {
    let number = member.process.and_then(|process| i32::try_from(process).ok());
    let process = number.and_then(Pid::from_raw).context("the member has no process")?;
    match kill_process(process, signal) {
        // It has ended by itself in the meantime.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error)
            .with_context(|| format!("sending {signal:?} to {} (process {number:?})", member.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A member whose process is a program that every machine has.
    fn member(folder: &Path, arguments: &[&str]) -> Member {
        Member {
            name: "m1".into(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            directory: folder.to_path_buf(),
            client_url: String::new(),
            identity: None,
            listens: Vec::new(),
            log: folder.join("m1/log"),
            process: None,
        }
    }

    fn running(folder: &Path, program: &str, arguments: &[&str]) -> (Member, Child) {
        let mut member = member(folder, arguments);
        let child = start(Path::new(program), &mut member).unwrap();
        assert!(is_running(&member));
        (member, child)
    }

    #[test]
    fn a_member_runs_until_it_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let (member, mut child) = running(folder.path(), "sleep", &["1000"]);
        let mut members = [member];
        stop(&mut members).unwrap();
        assert_eq!(members[0].process, None);
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_killed_member_is_gone() {
        use std::os::unix::process::ExitStatusExt;
        let folder = tempfile::tempdir().unwrap();
        let (mut member, mut child) = running(folder.path(), "sleep", &["1001"]);
        kill(&mut member).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!is_running(&member));
    }

    #[test]
    fn another_process_with_the_same_number_is_not_the_member() {
        let folder = tempfile::tempdir().unwrap();
        let mut stranger = member(folder.path(), &["--name=m1"]);
        stranger.process = Some(std::process::id());
        assert!(!is_running(&stranger));
        stop(&mut [stranger]).unwrap();
    }

    #[test]
    fn a_taken_port_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut member = member(folder.path(), &[]);
        member.listens = vec![listener.local_addr().unwrap()];
        let error = check_ports(&member).unwrap_err().to_string();
        assert!(error.contains(&member.listens[0].to_string()), "{error}");
        assert!(error.contains("--base-port"), "{error}");
        drop(listener);
        check_ports(&member).unwrap();
    }

    #[test]
    fn members_that_get_in_each_others_way_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut members = [member(folder.path(), &[]), member(folder.path(), &[])];
        members[1].name = "m2".into();
        members[0].listens = vec!["127.0.0.1:1".parse().unwrap()];
        check_apart(&members).unwrap();
        members[1].listens = members[0].listens.clone();
        let error = check_apart(&members).unwrap_err().to_string();
        assert!(error.starts_with("m1 and m2 shall both listen at 127.0.0.1:1"), "{error}");
    }

    #[test]
    fn what_a_member_prints_is_in_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut member = member(folder.path(), &["hello"]);
        start(Path::new("echo"), &mut member).unwrap().wait().unwrap();
        assert_eq!(fs::read_to_string(&member.log).unwrap(), "hello\n");
    }
}
