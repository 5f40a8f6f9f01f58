//! What can go wrong at a door, one variant for each reaction of the caller.

use std::io;
use std::path::PathBuf;

use rustls::CertificateError;

/// Why a door did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A URL has a form this crate does not serve or dial: the configuration must change.
    #[error("{0}")]
    Url(String),

    /// The TLS settings contradict each other: the configuration must change.
    #[error("{0}")]
    TlsSettings(String),

    /// A TLS file is missing or holds something else than it should: the file must change.
    #[error("{what} {}: {problem}; {remedy}", file.display())]
    TlsFile {
        /// What the file is for, such as `certificate file`.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// The private key was not made for the certificate: one of the two files must change.
    #[error(
        "private key file {} does not match certificate file {}: they hold different public keys; \
         give the certificate and the key that were made together",
        key.display(),
        certificate.display()
    )]
    TlsKeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },

    /// An address could not be bound: it is taken, forbidden or not of this machine.
    #[error("listen {network} {address}: bind: {}", reason(source))]
    Bind {
        /// `tcp` or `unix`.
        network: &'static str,
        /// The address or socket file.
        address: String,
        /// The system's answer.
        source: io::Error,
    },

    /// None of a member's URLs could be reached: it is worth trying again later.
    #[error("cannot reach {url}: {reason}")]
    Dial {
        /// The URL that was dialled.
        url: String,
        /// Why it failed, such as `connection refused`.
        reason: String,
    },

    /// Several URLs of one member were tried and none could be reached.
    #[error("{}", joined(.0))]
    DialAll(Vec<Error>),

    /// A connection stood, but the HTTP exchange on it failed: it is worth trying again later.
    #[error("GET {url}: {reason}")]
    Exchange {
        /// The URL with its path.
        url: String,
        /// Why it failed.
        reason: String,
    },
}

/// The system's words for an I/O error, without the number: `address already in use`.
///
/// Operators and their scripts know these texts from etcd, which starts them in lower case.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = match text.find(" (os error ") {
        Some(end) => &text[..end],
        None => return text,
    };
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// An error and its sources in one line, without repeating a source its parent already quotes.
pub(crate) fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

/// The reason of somebody who left in the middle of a handshake.
pub(crate) const EOF: &str = "EOF";

/// Why a TLS handshake failed, in the words Go's TLS library has for the commonest mistakes.
///
/// rustls shows a refusal by a rule of ours, and by webpki, in the form of its debug output only.
pub(crate) fn handshake_reason(error: &io::Error) -> String {
    use rustls::Error::{
        InvalidCertificate, InvalidMessage, NoCertificatesPresented, PeerIncompatible,
    };
    use rustls::PeerIncompatible::{
        NoCipherSuitesInCommon, SupportedVersionsExtensionRequired, Tls12NotOffered,
        Tls12NotOfferedOrEnabled,
    };
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return EOF.to_owned();
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(InvalidCertificate(CertificateError::Other(why))) => {
            format!("invalid peer certificate: {why}")
        }
        Some(NoCertificatesPresented) => "tls: client didn't provide a certificate".to_owned(),
        Some(InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
            "tls: first record does not look like a TLS handshake".to_owned()
        }
        Some(PeerIncompatible(NoCipherSuitesInCommon)) => {
            "tls: no cipher suite supported by both client and server".to_owned()
        }
        Some(PeerIncompatible(
            Tls12NotOffered | Tls12NotOfferedOrEnabled | SupportedVersionsExtensionRequired,
        )) => "tls: client offered only unsupported versions".to_owned(),
        Some(_) => with_sources(error),
        None => reason(error),
    }
}

fn joined(errors: &[Error]) -> String {
    errors.iter().map(Error::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_error_reads_as_etcd_writes_it() {
        let error = Error::Bind {
            network: "tcp",
            address: "127.0.0.1:2379".to_owned(),
            source: io::Error::from_raw_os_error(rustix::io::Errno::ADDRINUSE.raw_os_error()),
        };
        assert_eq!(error.to_string(), "listen tcp 127.0.0.1:2379: bind: address already in use");
    }

    #[test]
    fn an_error_that_is_not_the_systems_keeps_its_words() {
        assert_eq!(reason(&io::Error::other("TLS says No")), "TLS says No");
    }
}
