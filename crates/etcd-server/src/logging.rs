//! Log lines as etcd writes them: one JSON object a line, or text.

mod timestamp;
mod format;
mod rotation;

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use etcd_config::{LogFormat, LogLevel, LogOutput, LogRotation, Logging};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use format::Zap;
use rotation::RotatingFile;

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
    let rotation = logging.rotation().map_err(io::Error::other)?;
    let mut layers = Vec::new();
    for output in &logging.log_outputs {
        let writer = writer(output, rotation.as_ref())?;
        layers.push(fmt::layer().event_format(format).with_writer(writer).boxed());
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

fn writer(output: &LogOutput, rotation: Option<&LogRotation>) -> io::Result<BoxMakeWriter> {
    Ok(match (output, rotation) {
        (LogOutput::Stdout, _) => BoxMakeWriter::new(io::stdout),
        (LogOutput::File(path), Some(rotation)) => {
            let file = RotatingFile::open(path, rotation);
            BoxMakeWriter::new(Mutex::new(file.map_err(|error| named(path, &error))?))
        }
        (LogOutput::File(path), None) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            BoxMakeWriter::new(Arc::new(file.map_err(|error| named(path, &error))?))
        }
        // systemd sends what a service writes to stderr to its journal.
        (LogOutput::Stderr | LogOutput::Journal, _) => BoxMakeWriter::new(io::stderr),
    })
}

/// An error with the file that it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
