//! Where an assignment stands, before anyone asks for its place.

use crate::fault::Position;

/// Where an assignment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// On the command line.
    CommandLine,
    /// In the environment.
    Environment,
    /// In an environment file.
    Line(Position),
    /// In a YAML file, under these keys as they are written there.
    Keys(Vec<String>),
}
