//! The list of revoked certificates, by etcd's rules.
//!
//! A certificate is refused when its serial number is on the list. Who issued either of them, the
//! list's signature and its dates are not looked at. A list that cannot be read refuses everybody
//! who shows a certificate, whatever it held before: nobody knows whom it would refuse.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::CertificateDer;

use crate::stamp::Stamp;
use crate::{certificate, error, pem};

/// A file with a list, read again when it has changed.
pub(crate) struct Revocation {
    file: PathBuf,
    latest: ArcSwap<Known>,
}

/// What stood in the file at one moment.
struct Known {
    stamp: Stamp,
    /// The serial numbers, or why there are none to be had.
    serials: Result<HashSet<Vec<u8>>, String>,
}

impl Revocation {
    /// A member starts with a list that cannot be read, and tells of it: as etcd's it may come
    /// later.
    pub(crate) fn new(file: &Path) -> Arc<Revocation> {
        let known = Known::read(file);
        if let Err(error) = &known.serials {
            tracing::warn!(error, "refusing all certificates until their revocation list is there");
        }
        Arc::new(Revocation { file: file.to_owned(), latest: ArcSwap::from_pointee(known) })
    }

    /// Whether none of the certificates that somebody has shown is on the list.
    pub(crate) async fn check(
        self: &Arc<Self>,
        shown: &[CertificateDer<'_>],
    ) -> Result<(), String> {
        if shown.is_empty() {
            return Ok(());
        }
        let known = self.current().await;
        let revoked = known.serials.as_ref().map_err(Clone::clone)?;
        for certificate in shown {
            let serial = certificate::serial_number(certificate)?;
            if revoked.contains(&serial) {
                return Err(format!("transport: certificate serial {} revoked", hex(&serial)));
            }
        }
        Ok(())
    }

    async fn current(self: &Arc<Self>) -> Arc<Known> {
        let latest = self.latest.load_full();
        if Stamp::of(&self.file).is_still(latest.stamp) {
            return latest;
        }
        let revocation = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let known = Arc::new(Known::read(&revocation.file));
            revocation.latest.store(Arc::clone(&known));
            known
        });
        match read.await {
            Ok(known) => known,
            // The process ends.
            Err(error) => Arc::new(Known { stamp: Stamp::Fresh, serials: Err(error.to_string()) }),
        }
    }
}

impl Known {
    fn read(file: &Path) -> Known {
        let stamp = Stamp::of(file);
        let serials = match std::fs::read(file) {
            Ok(content) => serials(&content),
            Err(error) => Err(format!("cannot be read ({})", error::reason(&error))),
        };
        let serials = serials.map_err(|problem| {
            format!(
                "certificate revocation list {}: {problem}; give the list in DER form, or as a \
                 PEM block \"X509 CRL\"",
                file.display()
            )
        });
        Known { stamp, serials }
    }
}

/// The serial numbers on the lists in a file.
fn serials(content: &[u8]) -> Result<HashSet<Vec<u8>>, String> {
    let wrong = |error: String| format!("not a revocation list ({error})");
    if !content.starts_with(b"-----BEGIN ") {
        return Ok(certificate::revoked_serials(content).map_err(wrong)?.into_iter().collect());
    }
    let lists =
        pem::revocation_lists(content).map_err(|error| format!("not valid PEM ({error})"))?;
    if lists.is_empty() {
        return Err("holds no revocation list".to_owned());
    }
    let mut all = HashSet::new();
    for list in lists {
        all.extend(certificate::revoked_serials(&list).map_err(wrong)?);
    }
    Ok(all)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
