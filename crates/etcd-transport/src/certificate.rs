//! Reads names, dates and serial numbers out of X.509 certificates and revocation lists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls::pki_types::UnixTime;
use x509_parser::prelude::{CertificateRevocationList, FromDer, GeneralName, X509Certificate};

use crate::connection::TlsFacts;

/// The names in a certificate, or why it cannot be read.
pub(crate) fn facts(der: &[u8]) -> Result<TlsFacts, String> {
    let certificate = parse(der)?;
    let mut facts = TlsFacts { has_certificate: true, ..TlsFacts::default() };
    // Of several common names etcd's TLS library keeps the last.
    facts.common_name = certificate
        .subject()
        .iter_common_name()
        .last()
        .and_then(|name| name.as_str().ok())
        .map(str::to_owned);
    let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    for name in names.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(name) => facts.dns_names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => facts.ip_addresses.extend(ip_address(bytes)),
            _ => {}
        }
    }
    Ok(facts)
}

/// Whether it is a certificate at all.
pub(crate) fn check_form(der: &[u8]) -> Result<(), String> {
    parse(der).map(drop)
}

/// The serial number, big-endian without leading zeros.
pub(crate) fn serial_number(der: &[u8]) -> Result<Vec<u8>, String> {
    Ok(trimmed(parse(der)?.raw_serial()))
}

/// The public key, as the whole DER structure `SubjectPublicKeyInfo`.
pub(crate) fn public_key(der: &[u8]) -> Result<&[u8], String> {
    Ok(parse(der)?.tbs_certificate.subject_pki.raw)
}

/// Whether `now` lies between the certificate's two dates.
pub(crate) fn is_valid_at(der: &[u8], now: UnixTime) -> Result<bool, String> {
    let certificate = parse(der)?;
    let validity = certificate.validity();
    let now = i64::try_from(now.as_secs()).map_err(|error| error.to_string())?;
    Ok((validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now))
}

/// The serial numbers a revocation list names, as [`serial_number`] gives them.
pub(crate) fn revoked_serials(der: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let (_, list) = CertificateRevocationList::from_der(der).map_err(|error| error.to_string())?;
    Ok(list.iter_revoked_certificates().map(|entry| trimmed(entry.raw_serial())).collect())
}

/// A number without the zeros before it: two ways to write it are one number.
fn trimmed(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number[zeros..].to_vec()
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    Ok(certificate)
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::V6(Ipv6Addr::from(sixteen)))
}
