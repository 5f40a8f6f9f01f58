//! Whether a certificate names the address its owner connects from.

use std::net::IpAddr;

use crate::connection::TlsFacts;

/// Checks the names of a peer's certificate by etcd's rule: the IP addresses decide when one of
/// them matches or there are no DNS names. Else one of the names must be what the address is
/// called (a name such as `*.example.com` counts only here), or resolve to it.
pub(crate) async fn check(facts: &TlsFacts, ip: IpAddr) -> Result<(), String> {
    if facts.ip_addresses.is_empty() && facts.dns_names.is_empty() {
        return Ok(());
    }
    if facts.ip_addresses.contains(&ip) {
        return Ok(());
    }
    if facts.dns_names.is_empty() {
        let names: Vec<_> = facts.ip_addresses.iter().map(IpAddr::to_string).collect();
        return Err(format!("x509: certificate is valid for {}, not {ip}", names.join(", ")));
    }
    if name_of(ip).await.is_some_and(|name| is_among(&name, &facts.dns_names)) {
        return Ok(());
    }
    for name in facts.dns_names.iter().filter(|name| !name.starts_with("*.")) {
        // A name that does not resolve is no reason to refuse while another one may match.
        if let Ok(mut resolved) = tokio::net::lookup_host((name.as_str(), 0)).await
            && resolved.any(|address| address.ip().to_canonical() == ip)
        {
            return Ok(());
        }
    }
    let names: Vec<_> = facts.dns_names.iter().map(|name| format!("{name:?}")).collect();
    Err(format!("tls: \"{ip}\" does not match any of DNSNames [{}]", names.join(" ")))
}

/// What the address is called, if anything.
async fn name_of(ip: IpAddr) -> Option<String> {
    let looked_up = tokio::task::spawn_blocking(move || dns_lookup::lookup_addr(&ip)).await;
    let name = looked_up.ok()?.ok()?;
    Some(name.strip_suffix('.').unwrap_or(&name).to_owned())
}

/// Whether a name is one of those of a certificate. A `*` stands for any labels at all, as in
/// etcd.
fn is_among(name: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|allowed| match allowed.strip_prefix('*') {
        Some(suffix) if suffix.starts_with('.') => name.ends_with(suffix),
        _ => name == allowed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check_loopback(ips: &[&str], names: &[&str]) -> Result<(), String> {
        let facts = TlsFacts {
            has_certificate: true,
            dns_names: names.iter().map(|&name| name.to_owned()).collect(),
            ip_addresses: ips.iter().map(|ip| ip.parse().expect("an address")).collect(),
            ..TlsFacts::default()
        };
        check(&facts, IpAddr::from([127, 0, 0, 1])).await
    }

    #[tokio::test]
    async fn a_peer_certificate_must_name_the_remote_address_or_nothing() {
        check_loopback(&[], &[]).await.expect("no names at all");
        check_loopback(&["10.0.0.1", "127.0.0.1"], &[]).await.expect("one address matches");
        check_loopback(&["10.0.0.1"], &["localhost"]).await.expect("the name resolves");
        assert_eq!(
            check_loopback(&["10.0.0.1", "::2"], &[]).await,
            Err("x509: certificate is valid for 10.0.0.1, ::2, not 127.0.0.1".to_owned())
        );
        assert_eq!(
            check_loopback(&[], &["*.example.invalid", "x.invalid"]).await,
            Err("tls: \"127.0.0.1\" does not match any of DNSNames \
                 [\"*.example.invalid\" \"x.invalid\"]"
                .to_owned())
        );
    }

    #[test]
    fn what_an_address_is_called_may_be_a_name_or_end_like_a_wildcard() {
        let check = |name: &str, allowed: &str| is_among(name, &[allowed.to_owned()]);
        assert!(check("m1.example.com", "m1.example.com"));
        assert!(check("m1.example.com", "*.example.com"));
        assert!(check("a.m1.example.com", "*.example.com"), "etcd compares the ends only");
        assert!(!check("example.com", "*.example.com"));
        assert!(!check("m1.example.com", "m2.example.com"));
        assert!(!check("m1.example.com", "*1.example.com"));
    }
}
