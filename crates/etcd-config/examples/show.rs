//! Prints the configuration that flags, variables and a file make together.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

use std::process::ExitCode;

use etcd_config::{Config, Loaded};

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1);
    match Config::load(args, std::env::vars_os(), || None) {
        Ok(Loaded::Run { config, warnings }) => {
            for warning in warnings {
                eprintln!("{:?}: {} {:?}", warning.level, warning.message, warning.fields);
            }
            println!("{}", serde_json::Value::Object(config.fields()));
            ExitCode::SUCCESS
        }
        Ok(Loaded::Help(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Loaded::Version) => {
            println!("etcd-config {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_status())
        }
    }
}
