//! Checks of the log settings.

use crate::fault::Fault;
use crate::sections::logging::{LogLevel, LogOutput};
use crate::sections::rotation::LogRotation;
use crate::settings::Settings;

/// One logger is left.
pub(super) fn logger(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "logger";
    let message = match settings.text(name).as_str() {
        "zap" => return,
        "capnslog" => "--logger=capnslog is removed in v3.5".to_owned(),
        logger => format!("unknown logger option {logger:?}"),
    };
    faults.push(settings.fault(name, message, "write zap or leave it out"));
}

/// Outputs must go together, and a rotated log is one file.
pub(super) fn outputs(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "log-outputs";
    let texts = settings.texts(name);
    if texts.len() > 1 && texts.iter().any(|text| text == "default") {
        let message = "multi logoutput for \"default\" is not supported yet";
        faults.push(settings.fault(name, message, "write stderr for default"));
    }
    if texts.is_empty() && settings.has_word_rules() {
        let message = "open sink \"\": open : no such file or directory";
        faults.push(settings.fault(name, message, "name an output, or leave the flag out"));
    }
    let outputs: Vec<LogOutput> = texts.iter().map(|text| LogOutput::parse(text)).collect();
    if settings.is_on("enable-log-rotation") {
        rotation(settings, &outputs, faults);
    }
    if outputs.len() > 1 && outputs.contains(&LogOutput::Journal) {
        let listed: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
        let message = format!(
            "running with systemd/journal but other '--log-outputs' values ([{}]) are configured \
             with 'default'; override 'default' value with something else",
            listed.join(" ")
        );
        faults.push(settings.fault(name, message, "write systemd/journal alone"));
    }
}

fn rotation(settings: &Settings, outputs: &[LogOutput], faults: &mut Vec<Fault>) {
    let files = outputs.iter().filter(|output| matches!(output, LogOutput::File(_))).count();
    if files != 1 {
        let message = "--log-outputs requires a single file path when \
                       --log-rotate-config-json is defined";
        let advice = "name one file in --log-outputs or leave --enable-log-rotation out";
        faults.push(settings.fault("log-outputs", message, advice));
    }
    let name = "log-rotation-config-json";
    if let Err(message) = LogRotation::parse(&settings.text(name)) {
        let advice = "write JSON such as {\"maxsize\": 100, \"maxbackups\": 5}";
        faults.push(settings.fault(name, message, advice));
    }
}

/// Format and level are words of a list.
pub(super) fn format_and_level(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "log-format";
    let format = settings.text(name);
    if !["json", "console", ""].contains(&format.as_str()) {
        let message = format!("unknown log format: {format}, supported values json, console");
        faults.push(settings.fault(name, message, ""));
    }
    let name = "log-level";
    if let Err(message) = LogLevel::try_from(settings.text(name)) {
        let advice = "write debug, info, warn, error, panic or fatal";
        faults.push(settings.fault(name, message, advice));
    }
}
