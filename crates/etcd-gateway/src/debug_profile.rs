//! Where the process spends its CPU time, in the format of `go tool pprof`.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use pprof::{ProfilerGuardBuilder, Report};
use prost::Message;

/// How often a running thread is looked at, in a second of its time (Go: 100, which beats with
/// whatever else happens a hundred times a second).
const FREQUENCY: i32 = 99;
/// How long it is looked at where nothing is said (Go: 30 s).
const DEFAULT_SECONDS: u64 = 30;
/// Libraries in which a stack may not be walked.
const NOT_IN: &[&str] = &["libc", "libgcc", "pthread", "vdso"];

/// Samples the process for some seconds. The answer is compressed.
///
/// # Errors
/// Somebody else is sampling, or the system does not let it.
pub(crate) async fn of_cpu(seconds: Option<u64>) -> Result<Vec<u8>, String> {
    let guard = ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(NOT_IN).build();
    let guard = guard.map_err(|error| error.to_string())?;
    tokio::time::sleep(Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS))).await;
    // Finding the names of functions reads the program's file.
    let build = move || {
        let report = guard.report().build().map_err(|error| error.to_string())?;
        drop(guard);
        compress(&Builder::profile(&report).encode_to_vec()).map_err(|error| error.to_string())
    };
    tokio::task::spawn_blocking(build).await.expect("it does not panic and is not cancelled")
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The messages of pprof's format, with the fields that are used here.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// Gives every text, function and place one number.
struct Builder {
    profile: Profile,
    texts: HashMap<String, i64>,
    functions: HashMap<(i64, i64), u64>,
    locations: HashMap<(u64, i64), u64>,
}

impl Builder {
    fn profile(report: &Report) -> Profile {
        let mut builder = Builder {
            profile: Profile::default(),
            texts: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
        };
        // The first text is the empty one.
        builder.text("");
        let samples = builder.value_type("samples", "count");
        let cpu = builder.value_type("cpu", "nanoseconds");
        let period = 1_000_000_000 / i64::from(report.timing.frequency.max(1));
        builder.profile.sample_type = vec![samples, cpu.clone()];
        builder.profile.period_type = Some(cpu);
        builder.profile.period = period;
        let start = report.timing.start_time.duration_since(UNIX_EPOCH).unwrap_or_default();
        builder.profile.time_nanos = nanoseconds(start);
        builder.profile.duration_nanos = nanoseconds(report.timing.duration);
        for (stack, count) in &report.data {
            let symbols = stack.frames.iter().flatten();
            let location_id = symbols
                .map(|symbol| {
                    let line = i64::from(symbol.lineno());
                    builder.location(&symbol.name(), &symbol.filename(), line)
                })
                .collect();
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            let value = vec![count, count.saturating_mul(period)];
            builder.profile.sample.push(Sample { location_id, value });
        }
        builder.profile
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> ValueType {
        ValueType { kind: self.text(kind), unit: self.text(unit) }
    }

    fn text(&mut self, text: &str) -> i64 {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        let number = i64::try_from(self.texts.len()).expect("memory holds fewer texts");
        self.texts.insert(text.to_owned(), number);
        self.profile.string_table.push(text.to_owned());
        number
    }

    fn location(&mut self, name: &str, file: &str, line: i64) -> u64 {
        let function_id = self.function(name, file);
        let next = self.locations.len() as u64 + 1;
        *self.locations.entry((function_id, line)).or_insert_with(|| {
            let line = vec![Line { function_id, line }];
            self.profile.location.push(Location { id: next, line });
            next
        })
    }

    fn function(&mut self, name: &str, file: &str) -> u64 {
        let (name, filename) = (self.text(name), self.text(file));
        let next = self.functions.len() as u64 + 1;
        *self.functions.entry((name, filename)).or_insert_with(|| {
            let function = Function { id: next, name, system_name: name, filename };
            self.profile.function.push(function);
            next
        })
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_again_has_its_number() {
        let mut builder = Builder {
            profile: Profile::default(),
            texts: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
        };
        assert_eq!((builder.text(""), builder.text("a"), builder.text("a")), (0, 1, 1));
        assert_eq!(builder.location("f", "file", 3), 1);
        assert_eq!(builder.location("f", "file", 4), 2);
        assert_eq!(builder.location("f", "file", 3), 1);
        assert_eq!(builder.location("f", "other", 3), 3);
        assert_eq!(builder.profile.function.len(), 2);
        assert_eq!(builder.profile.string_table, ["", "a", "f", "file", "other"]);
    }
}
