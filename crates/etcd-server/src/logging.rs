//! Log lines as etcd writes them: one JSON object a line, or text.

mod format;
mod timestamp;

use std::fs::{File, OpenOptions};
use std::io;
use std::sync::Arc;

use etcd_config::{LogFormat, LogLevel, LogOutput, Logging};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use format::Zap;

/// The target of lines that tell why the process ends, whose level etcd calls `fatal`.
pub const FATAL: &str = "fatal";

/// Sends all log lines to the configured outputs from now on.
///
/// # Errors
/// An output file that cannot be opened, or logging that was set up before.
pub fn init(logging: &Logging) -> io::Result<()> {
    let format = match logging.log_format {
        LogFormat::Json => Zap::Json,
        LogFormat::Console => Zap::Console,
    };
    let mut layers = Vec::new();
    for output in &logging.log_outputs {
        layers.push(fmt::layer().event_format(format).with_writer(writer(output)?).boxed());
    }
    install(layers, logging.log_level)
}

/// Sends all log lines to standard error, as JSON: for what is to be said before the configuration
/// is known.
///
/// # Errors
/// Logging was set up before.
pub fn init_stderr() -> io::Result<()> {
    let layer = fmt::layer().event_format(Zap::Json).with_writer(io::stderr).boxed();
    install(vec![layer], LogLevel::Info)
}

fn install(layers: Vec<BoxedLayer>, level: LogLevel) -> io::Result<()> {
    let subscriber = tracing_subscriber::registry().with(layers.with_filter(filter(level)));
    subscriber.try_init().map_err(io::Error::other)
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// This project's lines at the wanted level; those of libraries only where they tell of trouble,
/// unless everything is wanted.
fn filter(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Dpanic | LogLevel::Panic | LogLevel::Fatal => {
            LevelFilter::ERROR
        }
    };
    let libraries = match level {
        LogLevel::Debug => LevelFilter::INFO,
        _ => LevelFilter::ERROR,
    };
    // What openraft fails on it also returns, and is told once, by whoever handles it.
    let raft = match level {
        LogLevel::Debug => LevelFilter::INFO,
        _ => LevelFilter::OFF,
    };
    Targets::new()
        .with_default(libraries)
        .with_target("openraft", raft)
        .with_target("etcd", own)
        .with_target(FATAL, LevelFilter::ERROR)
}

fn writer(output: &LogOutput) -> io::Result<BoxMakeWriter> {
    Ok(match output {
        LogOutput::Stdout => BoxMakeWriter::new(io::stdout),
        LogOutput::File(path) => {
            let file: File =
                OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                })?;
            BoxMakeWriter::new(Arc::new(file))
        }
        // systemd sends what a service writes to stderr to its journal.
        LogOutput::Stderr | LogOutput::Journal => BoxMakeWriter::new(io::stderr),
    })
}
