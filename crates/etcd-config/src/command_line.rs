//! The words of the command line: `-flag`, `--flag`, `--flag=value`, `--flag value`.

use std::collections::BTreeSet;
use std::ffi::OsString;

use figment::value::Value;

use crate::error::Error;
use crate::fault::{Fault, Place};
use crate::flag::Flag;
use crate::kind::Kind;
use crate::origin::Origin;
use crate::sections::process::{CONFIG_FILE, VERSION};
use crate::settings::Assignment;
use crate::table;

/// What the command line asks for.
pub(crate) enum CommandLine {
    /// The help.
    Help,
    /// The version.
    Version,
    /// A start with these flags.
    Start(Vec<Assignment>),
}

impl CommandLine {
    /// Reads all words, which do not begin with the program's name.
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<CommandLine, Error> {
        let mut reader = Reader { faults: Vec::new(), assignments: Vec::new() };
        let words = words(args)?;
        let mut words = words.iter().map(String::as_str).peekable();
        let mut positional = None;
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
                positional = Some(word);
                break;
            };
            if flag == "-" {
                positional = words.next();
                break;
            }
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, None),
            };
            if ["h", "help"].contains(&name) {
                // What stands before a call for help is heard first.
                if reader.faults.is_empty() {
                    return Ok(CommandLine::Help);
                }
                break;
            }
            if reader.expects_word(word, name, value) {
                let next_is_value = table::find(name).is_some()
                    || words.peek().is_some_and(|next| !next.starts_with('-'));
                let value = if next_is_value { words.next() } else { None };
                reader.take(name, value);
            }
        }
        reader.finish(positional)
    }
}

/// The flags that were given.
pub(crate) fn names(assignments: &[Assignment]) -> BTreeSet<&'static str> {
    assignments.iter().map(|assignment| assignment.flag.name).collect()
}

struct Reader {
    faults: Vec<Fault>,
    assignments: Vec<Assignment>,
}

impl Reader {
    /// Takes a flag that is complete; says whether its value may stand in the next word.
    fn expects_word(&mut self, word: &str, name: &str, value: Option<&str>) -> bool {
        if name.is_empty() || name.starts_with('-') {
            let advice = "write --name=value";
            let place = Place::Flag(name.to_owned());
            self.faults.push(Fault::new(place, format!("bad flag syntax: {word}"), advice));
            return false;
        }
        let bare = table::find(name).is_some_and(|flag| flag.kind.is_bare());
        if value.is_none() && !bare {
            return true;
        }
        self.take(name, value);
        false
    }

    fn take(&mut self, name: &str, value: Option<&str>) {
        let Some(flag) = table::find(name) else { return self.unknown(name) };
        let text = match (value, flag.kind) {
            (Some(text), _) => text,
            (None, Kind::Bool | Kind::Ignored) => "true",
            (None, _) => {
                let message = format!("flag needs an argument: -{name}");
                return self.fault(name, message, flag.kind.advice());
            }
        };
        let origin = Origin::CommandLine;
        match flag.kind.parse(text) {
            Ok(value) => self.assignments.push(Assignment { flag, value, origin }),
            Err(reason) => {
                let message = match flag.kind {
                    Kind::Bool => format!("invalid boolean value {text:?} for -{name}: {reason}"),
                    _ => format!("invalid value {text:?} for flag -{name}: {reason}"),
                };
                self.fault(name, message, flag.kind.advice());
            }
        }
    }

    fn unknown(&mut self, name: &str) {
        let plain = name.strip_prefix("experimental-").filter(|plain| table::find(plain).is_some());
        let meant = plain.map(str::to_owned).or_else(|| table::nearest(name, named));
        let advice = match meant {
            Some(meant) => format!("perhaps --{meant} is meant"),
            None => "etcd --help lists every flag".to_owned(),
        };
        self.fault(name, format!("flag provided but not defined: -{name}"), advice);
    }

    fn fault(&mut self, name: &str, message: String, advice: String) {
        self.faults.push(Fault::new(Place::Flag(name.to_owned()), message, advice));
    }

    fn finish(self, positional: Option<&str>) -> Result<CommandLine, Error> {
        if !self.faults.is_empty() {
            return Err(Error::Usage(self.faults));
        }
        if let Some(word) = positional {
            let advice = "flags begin with -- and a boolean flag takes its value behind =";
            let message = format!("{word:?} is not a valid flag");
            return Err(Error::Invalid(vec![Fault::new(Place::Default, message, advice)]));
        }
        let version = self.assignments.iter().rfind(|given| given.flag.name == VERSION);
        if version.is_some_and(|given| given.value == Some(Value::from(true))) {
            return Ok(CommandLine::Version);
        }
        Ok(CommandLine::Start(self.assignments))
    }
}

/// The file that the command line names, if it names one.
pub(crate) fn config_file(assignments: &[Assignment]) -> Option<String> {
    let named = assignments.iter().rfind(|given| given.flag.name == CONFIG_FILE)?;
    let path = named.value.as_ref()?.as_str()?;
    (!path.is_empty()).then(|| path.to_owned())
}

fn named(flag: &Flag) -> Option<String> {
    (flag.kind != Kind::Ignored).then(|| flag.name.to_owned())
}

/// The words as text; one that is no UTF-8 is a fault of its own.
fn words(args: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, Error> {
    let (mut words, mut faults) = (Vec::new(), Vec::new());
    for (index, arg) in args.into_iter().enumerate() {
        match arg.into_string() {
            Ok(word) => words.push(word),
            Err(arg) => {
                let message = format!("argument {} is not UTF-8: {arg:?}", index + 1);
                let advice = "write every argument as UTF-8 text";
                faults.push(Fault::new(Place::Default, message, advice));
            }
        }
    }
    if faults.is_empty() { Ok(words) } else { Err(Error::Usage(faults)) }
}
