//! The names of TLS cipher suites.

use rustls::CipherSuite;

use crate::Error;

/// The TLS 1.2 suites this crate speaks, by their IANA names and the two old short ones.
const SPOKEN: [(&str, CipherSuite); 8] = [
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// Names etcd takes and this crate does not speak: suites with known weaknesses (CBC, RC4, 3DES,
/// RSA key exchange), and those of TLS 1.3, which cannot be chosen and are always on.
const PASSED_OVER: [&str; 19] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// The named suites that can be spoken. Names that etcd takes and this crate does not speak are
/// passed over; other names are an error, with etcd's words.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<CipherSuite>, Error> {
    let mut suites = Vec::new();
    for name in names {
        if let Some((_, suite)) = SPOKEN.iter().find(|(spoken, _)| spoken == name) {
            suites.push(*suite);
        } else if !PASSED_OVER.contains(&name.as_str()) {
            return Err(Error::TlsSettings(format!("unexpected TLS cipher suite {name:?}")));
        }
    }
    Ok(suites)
}

/// The named suites of TLS 1.2 that are never spoken.
pub(crate) fn unspoken(names: &[String]) -> Vec<&str> {
    let passed_over = |name: &&str| PASSED_OVER.contains(name) && name.contains("_WITH_");
    names.iter().map(String::as_str).filter(passed_over).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Result<usize, String> {
        chosen(&[name.to_owned()]).map(|suites| suites.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_chosen_passed_over_or_refused() {
        assert_eq!(check("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), Ok(1));
        assert_eq!(check("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"), Ok(1));
        assert_eq!(check("TLS_RSA_WITH_RC4_128_SHA"), Ok(0));
        assert_eq!(check("NOPE"), Err("unexpected TLS cipher suite \"NOPE\"".to_owned()));
    }

    #[test]
    fn what_is_not_spoken_is_known_by_name() {
        let names = ["TLS_AES_128_GCM_SHA256", "TLS_RSA_WITH_RC4_128_SHA"].map(str::to_owned);
        assert_eq!(unspoken(&names), ["TLS_RSA_WITH_RC4_128_SHA"]);
    }
}
