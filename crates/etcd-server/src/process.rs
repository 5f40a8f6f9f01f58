//! The process: arguments in, exit status out.

use std::io::Write;
use std::net::{IpAddr, UdpSocket};
use std::process::ExitCode;

use etcd_config::{Config, Loaded, Warning, WarningLevel};
use rustix::process::getpid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::emulate_default_handler;
use tokio::signal::unix::{SignalKind, signal};

use crate::logging::{self, FATAL};
use crate::{Error, Server, limits, version};

/// How a process ends.
enum Ending {
    /// By a signal that asked for it.
    Signal(i32),
    /// By a failure, which was logged.
    Failure,
    /// By its removal from the cluster.
    Removal,
}

/// Runs a member as this process, with its arguments and environment, until it ends.
pub fn run() -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    match Config::load(arguments, std::env::vars_os(), default_route) {
        Ok(Loaded::Help(text)) => print(&text),
        Ok(Loaded::Version) => print(&version::text()),
        Ok(Loaded::Run { config, warnings }) => start(*config, warnings),
        Err(error @ etcd_config::Error::Usage(_)) => {
            // Nobody may be reading.
            let _ = write!(std::io::stderr(), "{error}");
            ExitCode::from(error.exit_status())
        }
        Err(error) => {
            log_to_stderr();
            for fault in error.faults() {
                tracing::error!(target: FATAL, error = %fault, "failed to verify flags");
            }
            ExitCode::from(error.exit_status())
        }
    }
}

fn start(config: Config, warnings: Vec<Warning>) -> ExitCode {
    if let Err(error) = logging::init(&config.logging) {
        log_to_stderr();
        tracing::error!(target: FATAL, %error, "cannot open a log output");
        return ExitCode::FAILURE;
    }
    for warning in warnings {
        log(&warning);
    }
    if config.auth.auth_token == "simple" {
        tracing::warn!("simple token is not cryptographically signed");
    }
    limits::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ending = match runtime {
        Ok(runtime) => {
            let ending = runtime.block_on(serve(config));
            runtime.shutdown_background();
            ending
        }
        Err(error) => fail(&Error::Configuration(format!("cannot start threads: {error}"))),
    };
    match ending {
        Ending::Failure => ExitCode::FAILURE,
        Ending::Removal => ExitCode::SUCCESS,
        Ending::Signal(signal) => end_by(signal),
    }
}

/// Starts the member, and stops it when a signal says so.
async fn serve(config: Config) -> Ending {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return fail(&Error::Configuration("cannot listen for signals".to_owned()));
    };
    let mut received = async || {
        let signal = tokio::select! {
            _ = terminate.recv() => SIGTERM,
            _ = interrupt.recv() => SIGINT,
        };
        let name = if signal == SIGTERM { "terminated" } else { "interrupt" };
        tracing::info!(signal = name, "received signal; shutting down");
        signal
    };
    let server = tokio::select! {
        started = Server::start(config) => match started {
            Ok(server) => server,
            Err(error) => return fail(&error),
        },
        signal = received() => return Ending::Signal(signal),
    };
    tokio::select! {
        signal = received() => {
            server.stop().await;
            Ending::Signal(signal)
        }
        error = server.failed() => fail(&error),
        () = server.removed() => {
            server.stop().await;
            Ending::Removal
        }
    }
}

fn fail(error: &Error) -> Ending {
    tracing::error!(target: FATAL, %error, "{}", headline(error));
    Ending::Failure
}

/// The message that programs around etcd look for.
fn headline(error: &Error) -> String {
    let text = error.to_string();
    if matches!(error, Error::Discovery(_)) {
        "discovery failed".to_owned()
    } else if text.contains("address already in use") {
        "bind: address already in use".to_owned()
    } else {
        format!("the member cannot run: {text}")
    }
}

/// Ends the process as the signal would have, so that whoever sent it sees that it was obeyed.
fn end_by(signal: i32) -> ExitCode {
    // The first process of a container is not killed by signals without a handler.
    if getpid().is_init() {
        return ExitCode::SUCCESS;
    }
    // It does not return, unless the signal cannot be raised: then the status that a shell shows.
    let _ = emulate_default_handler(signal);
    ExitCode::from(128 + u8::try_from(signal).unwrap_or_default())
}

fn log(warning: &Warning) {
    let fields = warning.fields.iter().map(|(name, value)| (*name, value.clone().into()));
    let fields: serde_json::Map<_, _> = fields.map(|(k, v)| (String::from(k), v)).collect();
    let fields = serde_json::Value::Object(fields).to_string();
    let fields = fields.as_str();
    match warning.level {
        WarningLevel::Info => tracing::info!(configuration = fields, "{}", warning.message),
        WarningLevel::Warn => tracing::warn!(configuration = fields, "{}", warning.message),
    }
}

/// Until the configured outputs are known.
fn log_to_stderr() {
    // Set up already: then the lines go there.
    let _ = logging::init_stderr();
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// This machine's address on its default route. No packet is sent: connecting a datagram socket only
/// makes the kernel choose a source address.
fn default_route() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}
