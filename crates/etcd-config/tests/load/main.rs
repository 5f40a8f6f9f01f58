//! Loads configurations as a start does and shows what comes out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use etcd_config::{Config, Error, Loaded};
use serde_json::Value;

mod document;
mod environment_file;
mod never_panics;
mod precedence;
mod seed;
mod validation;
mod warnings;
mod words;

/// The address that the tests' default route leaves from.
const DEFAULT_ROUTE: Ipv4Addr = Ipv4Addr::new(10, 0, 52, 13);

fn load(args: &[&str], environment: &[(&str, &str)]) -> Result<Loaded, Error> {
    Config::load(
        args.iter().map(OsString::from),
        environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))),
        || Some(IpAddr::V4(DEFAULT_ROUTE)),
    )
}

/// The faults with the exit status, or the fields that differ from the defaults.
fn outcome(loaded: Result<Loaded, Error>) -> String {
    match loaded {
        Err(error) => {
            let faults: Vec<String> = error.faults().iter().map(ToString::to_string).collect();
            format!("exit {}\n{}\n", error.exit_status(), faults.join("\n"))
        }
        Ok(Loaded::Run { config, .. }) => {
            let defaults = flat(&Config::default());
            let mut shown = String::new();
            for (name, value) in flat(&config) {
                if defaults.get(&name) != Some(&value) {
                    shown += &format!("{name}: {value}\n");
                }
            }
            shown
        }
        Ok(Loaded::Help(_)) => "help\n".to_owned(),
        Ok(Loaded::Version) => "version\n".to_owned(),
    }
}

/// Nested fields by names with dots.
fn flat(config: &Config) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    for (name, value) in config.fields() {
        match value {
            Value::Object(inner) => fields
                .extend(inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), value))),
            _ => {
                fields.insert(name, value);
            }
        }
    }
    fields
}

fn warnings(loaded: Result<Loaded, Error>) -> String {
    let Ok(Loaded::Run { warnings, .. }) = loaded else {
        panic!("no start: {loaded:?}");
    };
    let mut shown = String::new();
    for warning in warnings {
        let fields: Vec<String> =
            warning.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        shown += &format!("{:?}: {}{}\n", warning.level, warning.message, fields.concat());
    }
    shown
}

/// Loads a configuration file of this text; its name is shown as FILE.
fn with_file(
    text: &str,
    show: impl FnOnce(Result<Loaded, Error>) -> String,
    args: &[&str],
    environment: &[(&str, &str)],
) -> String {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("the file takes the text");
    let path = file.path().to_str().expect("a plain path");
    let args: Vec<&str> = args.iter().copied().chain(["--config-file", path]).collect();
    show(load(&args, environment)).replace(path, "FILE")
}
