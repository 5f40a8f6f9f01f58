//! `ETCD_*` variables, from the environment or from an environment file.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::env_file::{self, BadLine, Line};
use crate::fault::{Fault, Place};
use crate::file::ConfigFile;
use crate::flag::Flag;
use crate::kind::Kind;
use crate::origin::Origin;
use crate::sections::process::{CONFIG_FILE, VERSION};
use crate::settings::Assignment;
use crate::table;
use crate::warning::Warning;

const PREFIX: &str = "ETCD_";

/// Read by etcd before any flag, on processors that it is not tested on.
const UNSUPPORTED_ARCH: &str = "ETCD_UNSUPPORTED_ARCH";

/// The `ETCD_*` variables of one source.
pub(crate) struct Variables {
    variables: Vec<Variable>,
    file: Option<ConfigFile>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) faults: Vec<Fault>,
}

struct Variable {
    name: String,
    value: String,
    origin: Origin,
}

impl Variables {
    /// Takes the process's environment; what is not etcd's is left alone.
    pub(crate) fn of_process(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Variables {
        let (mut variables, mut faults) = (Vec::new(), Vec::new());
        for (name, value) in environment {
            if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                continue;
            }
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => {
                    variables.push(Variable { name, value, origin: Origin::Environment });
                }
                (name, _) => {
                    let name = name.unwrap_or_else(|name| name.to_string_lossy().into_owned());
                    faults.push(Fault::new(
                        Place::Variable(name),
                        "name or value is not UTF-8",
                        "set it to UTF-8 text or unset it",
                    ));
                }
            }
        }
        Variables { variables, file: None, warnings: Vec::new(), faults }
    }

    /// Takes the lines of an environment file.
    pub(crate) fn of_file(file: &ConfigFile) -> Variables {
        let (lines, bad_lines) = env_file::parse(&file.text);
        let (mut variables, mut warnings) = (Vec::new(), Vec::new());
        for Line { name, value, position } in lines {
            let origin = Origin::Line(position);
            if name.starts_with(PREFIX) {
                variables.push(Variable { name, value, origin });
            } else {
                let warning = Warning::warn("variable in the configuration file is not etcd's");
                let warning = warning.with("place", file.place(&origin));
                warnings.push(warning.with("variable", name));
            }
        }
        let fault = |BadLine { position, message, advice }| {
            Fault::new(file.place(&Origin::Line(position)), message, advice)
        };
        let faults = bad_lines.into_iter().map(fault).collect();
        Variables { variables, file: Some(file.clone()), warnings, faults }
    }

    /// The value of a variable, if it is there and not empty.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let last = self.variables.iter().rfind(|variable| variable.name == name);
        last.map(|variable| variable.value.as_str()).filter(|value| !value.is_empty())
    }

    /// The names of all variables.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.name.as_str())
    }

    /// Reads every variable as its flag; adds to the faults and warnings what stands in the way.
    pub(crate) fn assignments(&mut self, on_command_line: &BTreeSet<&str>) -> Vec<Assignment> {
        let mut assignments = Vec::new();
        for variable in std::mem::take(&mut self.variables) {
            let flag = table::flags().find(|flag| flag.variable() == variable.name);
            match flag {
                None if variable.name == UNSUPPORTED_ARCH => {}
                None => self.warnings.push(self.unknown(&variable)),
                Some(flag) if flag.name == VERSION || flag.name == CONFIG_FILE => {
                    if !variable.value.is_empty() {
                        self.warnings.push(self.misplaced(&variable));
                    }
                }
                Some(flag) if on_command_line.contains(flag.name) => {
                    self.faults.push(Fault::new(
                        self.place(&variable),
                        "conflicting environment variable is shadowed by corresponding \
                         command-line flag (either unset environment variable or disable flag))",
                        format!("give either {} or --{}", variable.name, flag.name),
                    ));
                }
                Some(_) if variable.value.is_empty() => {}
                Some(flag) => match flag.kind.parse(&variable.value) {
                    Ok(value) => {
                        let origin = variable.origin;
                        assignments.push(Assignment { flag, value, origin });
                    }
                    Err(reason) => {
                        let Variable { name, value, .. } = &variable;
                        let message = format!("invalid value {value:?} for {name}: {reason}");
                        let advice = flag.kind.advice();
                        self.faults.push(Fault::new(self.place(&variable), message, advice));
                    }
                },
            }
        }
        assignments
    }

    fn place(&self, variable: &Variable) -> Place {
        match &self.file {
            Some(file) => file.place(&variable.origin),
            None => Place::Variable(variable.name.clone()),
        }
    }

    fn unknown(&self, variable: &Variable) -> Warning {
        let warning = self.about(variable, Warning::warn("unrecognized environment variable"));
        match table::nearest(&variable.name, named_variable) {
            Some(meant) => warning.with("perhaps", meant),
            None => warning,
        }
    }

    fn misplaced(&self, variable: &Variable) -> Warning {
        let message = "environment variable has no meaning here and is ignored";
        self.about(variable, Warning::warn(message))
    }

    fn about(&self, variable: &Variable, warning: Warning) -> Warning {
        let warning = warning.with("environment-variable", &variable.name);
        match self.file {
            Some(_) => warning.with("place", self.place(variable)),
            None => warning,
        }
    }
}

fn named_variable(flag: &Flag) -> Option<String> {
    (flag.kind != Kind::Ignored).then(|| flag.variable())
}
