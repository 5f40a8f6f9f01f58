//! Something the operator should know that does not stop the start.

/// One line for the log, to be written once logging is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// How loud the line is.
    pub level: WarningLevel,
    /// The line's message; never contains a value.
    pub message: String,
    /// The line's further fields, names and values.
    pub fields: Vec<(&'static str, String)>,
}

/// How loud a warning is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningLevel {
    /// For the record.
    Info,
    /// Probably not what the operator wants.
    Warn,
}

impl Warning {
    pub(crate) fn info(message: impl Into<String>) -> Warning {
        Warning { level: WarningLevel::Info, message: message.into(), fields: Vec::new() }
    }

    pub(crate) fn warn(message: impl Into<String>) -> Warning {
        Warning { level: WarningLevel::Warn, message: message.into(), fields: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Warning {
        self.fields.push((name, value.to_string()));
        self
    }
}
