//! The way from words, variables and a file to a checked configuration.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::command_line::{self, CommandLine};
use crate::config::Config;
use crate::document::Document;
use crate::error::Error;
use crate::fault::Fault;
use crate::file::ConfigFile;
use crate::sections::process::CONFIG_FILE;
use crate::settings::{Assignment, Rules, Settings};
use crate::variables::Variables;
use crate::warning::Warning;
use crate::{cautions, checks, derive, help};

/// The variable that names the configuration file.
const CONFIG_FILE_VARIABLE: &str = "ETCD_CONFIG_FILE";

/// What the command line, the environment and the file ask for.
#[derive(Debug)]
pub enum Loaded {
    /// A member is to start.
    Run {
        /// Its configuration.
        config: Box<Config>,
        /// What to log about it once logging is set up.
        warnings: Vec<Warning>,
    },
    /// This text is to be printed.
    Help(String),
    /// The version is to be printed.
    Version,
}

/// Settings that can be read, before they are checked.
struct Read {
    settings: Settings,
    warnings: Vec<Warning>,
}

impl Config {
    /// Reads the command line (without the program's name), the environment and, where one of them
    /// names it, the configuration file.
    ///
    /// A named file counts alone; otherwise a flag goes before a variable and a variable before a
    /// default. A file with lines `ETCD_NAME="value"` is read as an environment, any other as YAML.
    ///
    /// `default_route` is asked for this machine's address on its default route, once, and only
    /// when a listen URL says 0.0.0.0 and the advertised URL is left at its default.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for words that are no flags or values, [`Error::Invalid`] for everything
    /// else; each with every fault that could be found.
    pub fn load(
        args: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        default_route: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Loaded, Error> {
        let words = match CommandLine::read(args)? {
            CommandLine::Help => return Ok(Loaded::Help(help::text())),
            CommandLine::Version => return Ok(Loaded::Version),
            CommandLine::Start(words) => words,
        };
        let variables = Variables::of_process(environment);
        let named_by_variable = || variables.value(CONFIG_FILE_VARIABLE).map(str::to_owned);
        let read = match command_line::config_file(&words).or_else(named_by_variable) {
            Some(path) => read_file(PathBuf::from(path), &words, &variables),
            None => read_words(words, variables),
        };
        let Read { settings, mut warnings } = read.map_err(Error::Invalid)?;
        let faults = checks::run(&settings);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let mut config = Config::extract(&settings).map_err(|fault| Error::Invalid(vec![fault]))?;
        warnings.extend(derive::derive(&mut config, default_route));
        warnings.extend(cautions::collect(&settings, &config));
        Ok(Loaded::Run { config: Box::new(config), warnings })
    }
}

impl Default for Config {
    /// The configuration of a start without flags, variables and file.
    fn default() -> Config {
        let settings = Settings::new(Vec::new(), None, Rules::Words);
        let mut config = Config::extract(&settings).expect("the defaults are valid");
        derive::derive(&mut config, || None);
        config
    }
}

/// Flags over variables over defaults.
fn read_words(words: Vec<Assignment>, mut variables: Variables) -> Result<Read, Vec<Fault>> {
    let from_variables = variables.assignments(&command_line::names(&words));
    let Variables { warnings, faults, .. } = variables;
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut settings = Settings::new(vec![from_variables, words], None, Rules::Words);
    derive::clear_replaced_defaults(&mut settings);
    Ok(Read { settings, warnings })
}

/// A file alone.
fn read_file(path: PathBuf, words: &[Assignment], process: &Variables) -> Result<Read, Vec<Fault>> {
    let file = ConfigFile::read(path).map_err(|fault| vec![fault])?;
    let ignored: Vec<String> = command_line::names(words)
        .into_iter()
        .filter(|name| *name != CONFIG_FILE)
        .map(|name| format!("--{name}"))
        .chain(process.names().filter(|name| *name != CONFIG_FILE_VARIABLE).map(str::to_owned))
        .collect();
    let mut read = read_text(file)?;
    read.warnings.insert(0, cautions::file_counts_alone(&read.settings, &ignored));
    Ok(read)
}

/// The text of a file, in either of its two forms.
fn read_text(file: ConfigFile) -> Result<Read, Vec<Fault>> {
    let (assignments, warnings, mut faults, rules) = if file.is_environment_style() {
        let mut variables = Variables::of_file(&file);
        let assignments = variables.assignments(&BTreeSet::new());
        let Variables { warnings, faults, .. } = variables;
        (assignments, warnings, faults, Rules::Words)
    } else {
        let Document { assignments, warnings, faults } = Document::read(&file);
        (assignments, warnings, faults, Rules::Document)
    };
    if !faults.is_empty() {
        faults.sort_by_key(Fault::position);
        return Err(faults);
    }
    let mut settings = Settings::new(vec![assignments], Some(file), rules);
    derive::clear_replaced_defaults(&mut settings);
    Ok(Read { settings, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flag::Flag;
    use crate::kind::Kind;
    use crate::table;

    /// A value that is not the flag's default, as a word and in YAML.
    fn sample(flag: &Flag) -> (String, String) {
        let word = match (flag.name, flag.kind) {
            ("log-level", _) => "debug",
            ("log-format", _) => "console",
            ("tls-min-version" | "tls-max-version", _) => "TLS1.3",
            ("auto-compaction-mode", _) => "revision",
            (_, Kind::Bool) if flag.default == "true" => "false",
            (_, Kind::Bool) => "true",
            (_, Kind::Uint | Kind::Uint32 | Kind::Int) => "7",
            (_, Kind::Duration) => return ("7s".to_owned(), "7000000000".to_owned()),
            (_, Kind::Urls | Kind::Origins) => "http://127.0.0.1:7",
            (_, Kind::List | Kind::Set) => return ("a,b".to_owned(), "[a, b]".to_owned()),
            (_, Kind::Choice(words) | Kind::QuotedChoice(words)) => words[words.len() - 1],
            (_, Kind::Gates) => "LeaseCheckpoint=true",
            (_, Kind::Text | Kind::Hosts | Kind::Ignored) => "sample",
        };
        (word.to_owned(), word.to_owned())
    }

    /// `a.b: value` as nested mappings.
    fn yaml(path: &str, value: &str) -> String {
        let closing = "}".repeat(path.matches('.').count());
        format!("{}: {value}{closing}\n", path.replace('.', ": {"))
    }

    fn settings_of(read: Result<Read, Vec<Fault>>, flag: &Flag) -> Settings {
        match read {
            Ok(read) => read.settings,
            Err(faults) => panic!("{}: {faults:?}", flag.name),
        }
    }

    fn fields(settings: &Settings, flag: &Flag) -> serde_json::Map<String, serde_json::Value> {
        match Config::extract(settings) {
            Ok(config) => config.fields(),
            Err(fault) => panic!("{}: {fault}", flag.name),
        }
    }

    /// The flags that end in a field which can have several values.
    fn flags() -> impl Iterator<Item = &'static Flag> {
        let fixed = ["config-file", "version", "v2-deprecation", "discovery-fallback"];
        table::flags().filter(move |flag| flag.kind != Kind::Ignored && !fixed.contains(&flag.name))
    }

    fn of_words(flag: &Flag, word: &str) -> Settings {
        let args = [OsString::from(format!("--{}={word}", flag.name))];
        let Ok(CommandLine::Start(words)) = CommandLine::read(args) else {
            panic!("--{}={word} is refused", flag.name);
        };
        settings_of(read_words(words, Variables::of_process([])), flag)
    }

    #[test]
    fn every_flag_changes_exactly_its_own_field() {
        for flag in flags() {
            let (word, _) = sample(flag);
            let defaults = Settings::new(Vec::new(), None, Rules::Words);
            let (before, after) = (fields(&defaults, flag), fields(&of_words(flag, &word), flag));
            let changed: BTreeSet<&str> = after
                .keys()
                .filter(|name| before.get(*name) != after.get(*name))
                .map(String::as_str)
                .collect();
            let top = flag.key.split('.').next().unwrap_or_default();
            let discovers = ["discovery-endpoints", "discovery-srv", "discovery-srv-name"];
            if discovers.contains(&flag.name) {
                assert_eq!(changed, BTreeSet::from([flag.name, "initial-cluster"]));
            } else {
                assert_eq!(changed, BTreeSet::from([top]), "{}", flag.name);
            }
        }
    }

    #[test]
    fn flag_variable_file_line_and_yaml_key_mean_the_same() {
        for flag in flags() {
            let (word, in_yaml) = sample(flag);
            let expected = fields(&of_words(flag, &word), flag);
            let variable = (flag.variable().into(), word.clone().into());
            let read = read_words(Vec::new(), Variables::of_process([variable]));
            assert_eq!(fields(&settings_of(read, flag), flag), expected, "{}", flag.name);
            let line = format!("{}='{word}'\n", flag.variable());
            // The suffix of SRV records alone ends the initial cluster in words but not in YAML.
            let path = flag.yaml.filter(|_| flag.name != "discovery-srv-name");
            let yaml_text = path.map(|path| yaml(path, &in_yaml));
            for text in [Some(line), yaml_text].into_iter().flatten() {
                let file = ConfigFile { path: PathBuf::from("file"), text };
                let settings = settings_of(read_text(file), flag);
                assert_eq!(fields(&settings, flag), expected, "{}", flag.name);
            }
        }
    }
}
