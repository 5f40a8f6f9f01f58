//! The shape of a line: zap's field names and order.

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::FATAL;
use super::timestamp::timestamp;

/// How zap writes a line.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Zap {
    /// One JSON object: `level`, `ts`, `caller`, `msg`, then the event's fields.
    Json,
    /// The same as text, the fields as JSON at the end.
    Console,
}

impl<S, N> FormatEvent<S, N> for Zap
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let level = level(metadata);
        let time = timestamp(SystemTime::now());
        let caller = caller(metadata);
        match self {
            Zap::Json => {
                let mut line = Map::new();
                line.insert("level".to_owned(), level.into());
                line.insert("ts".to_owned(), time.into());
                line.insert("caller".to_owned(), caller.into());
                line.insert("msg".to_owned(), fields.message.into());
                line.extend(fields.others);
                writeln!(writer, "{}", Value::Object(line))
            }
            Zap::Console => {
                write!(writer, "{time}\t{level}\t{caller}\t{}", fields.message)?;
                if !fields.others.is_empty() {
                    write!(writer, "\t{}", Value::Object(fields.others))?;
                }
                writeln!(writer)
            }
        }
    }
}

fn level(metadata: &Metadata<'_>) -> &'static str {
    match *metadata.level() {
        Level::ERROR if metadata.target() == FATAL => "fatal",
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// Crate, file and line, as zap's short caller gives package, file and line.
fn caller(metadata: &Metadata<'_>) -> String {
    let file = metadata.file().unwrap_or("unknown");
    let short = file.split_once("/src/").map(|(folder, file)| {
        let package = folder.rsplit('/').next().unwrap_or(folder);
        format!("{package}/{file}")
    });
    let file = short.unwrap_or_else(|| file.to_owned());
    match metadata.line() {
        Some(line) => format!("{file}:{line}"),
        None => file,
    }
}

/// The fields of an event.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        // Names in Rust have underscores where etcd's fields have hyphens.
        self.others.insert(field.name().replace('_', "-"), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.insert(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            // The whole configuration in one line: its fields stand beside the others, as etcd's do.
            "configuration" => match serde_json::from_str(value) {
                Ok(Value::Object(fields)) => self.others.extend(fields),
                _ => self.insert(field, value),
            },
            _ => self.insert(field, value),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.insert(field, value.to_string());
    }
}
