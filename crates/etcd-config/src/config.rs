//! The whole configuration, section by section.

use serde::Serialize;

use crate::fault::Fault;
use crate::sections::auth::Auth;
use crate::sections::clustering::Clustering;
use crate::sections::discovery::Discovery;
use crate::sections::hazards::Hazards;
use crate::sections::logging::Logging;
use crate::sections::member::Member;
use crate::sections::monitoring::Monitoring;
use crate::sections::security::Security;
use crate::sections::tracing::Tracing;
use crate::sections::tuning::Tuning;
use crate::settings::Settings;

/// The checked configuration of a member, to be taken apart by whoever starts one.
///
/// It serializes as one flat mapping from flag names to values, the TLS settings nested as in a
/// YAML file; passwords are left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// Who this member is, where its data lies, where it listens, what it allows.
    #[serde(flatten)]
    pub member: Member,
    /// What this member tells the cluster, and how the cluster begins.
    #[serde(flatten)]
    pub clustering: Clustering,
    /// How the first members find each other without a list.
    #[serde(flatten)]
    pub discovery: Discovery,
    /// Certificates of both sides, and who may speak HTTP.
    #[serde(flatten)]
    pub security: Security,
    /// What proves a user, and how passwords are kept.
    #[serde(flatten)]
    pub auth: Auth,
    /// What the member shows about itself.
    #[serde(flatten)]
    pub monitoring: Monitoring,
    /// What is logged, how, and where to.
    #[serde(flatten)]
    pub logging: Logging,
    /// Where spans go.
    #[serde(flatten)]
    pub tracing: Tracing,
    /// Checks that run by themselves, and their pace.
    #[serde(flatten)]
    pub tuning: Tuning,
    /// What can lose data.
    #[serde(flatten)]
    pub hazards: Hazards,
}

impl Config {
    /// The configuration as fields for a log line: flag names and values.
    pub fn fields(&self) -> serde_json::Map<String, serde_json::Value> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => fields,
            Ok(_) | Err(_) => unreachable!("a configuration is a mapping of plain values"),
        }
    }

    /// Reads all sections.
    pub(crate) fn extract(settings: &Settings) -> Result<Config, Fault> {
        Ok(Config {
            member: settings.section()?,
            clustering: settings.section()?,
            discovery: settings.section()?,
            security: settings.section()?,
            auth: settings.section()?,
            monitoring: settings.section()?,
            logging: settings.section()?,
            tracing: settings.section()?,
            tuning: settings.section()?,
            hazards: settings.section()?,
        })
    }
}
