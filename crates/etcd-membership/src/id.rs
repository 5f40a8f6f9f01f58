//! Member and cluster ids: the first eight bytes of a SHA-1, as etcd computes them.

use crate::{Error, PeerUrls};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// It prints as lowercase hexadecimal without padding and parses from hexadecimal.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                // `from_str_radix` would let a sign through.
                if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(Error::InvalidId(text.to_owned()));
                }
                u64::from_str_radix(text, 16)
                    .map($name)
                    .map_err(|_| Error::InvalidId(text.to_owned()))
            }
        }
    };
}

id! {
    /// A member's id, unique in its cluster for ever. Zero is nobody.
    MemberId
}

id! {
    /// A cluster's id: fixed when the cluster is made, whoever joins or leaves later.
    ClusterId
}

/// The id of a member with these peer URLs.
///
/// `token` is the cluster's token when the member is of the initial cluster, and empty when it is
/// added to a running one; then `unix_seconds` tells when, so that the same URLs added again give
/// another id. The hash covers the sorted URLs without separator, the token, and the seconds as
/// decimal text.
#[must_use]
pub fn member_id(peer_urls: &PeerUrls, token: &str, unix_seconds: Option<u64>) -> MemberId {
    let mut hash = Sha1::new();
    for url in peer_urls.iter() {
        hash.update(url.as_bytes());
    }
    hash.update(token.as_bytes());
    if let Some(seconds) = unix_seconds {
        hash.update(seconds.to_string().as_bytes());
    }
    MemberId(first_eight_bytes(hash))
}

/// The id of the cluster that these members found, in whatever order they are given.
#[must_use]
pub fn cluster_id(ids: impl IntoIterator<Item = MemberId>) -> ClusterId {
    let mut ids: Vec<MemberId> = ids.into_iter().collect();
    ids.sort_unstable();
    let mut hash = Sha1::new();
    for id in ids {
        hash.update(id.0.to_be_bytes());
    }
    ClusterId(first_eight_bytes(hash))
}

fn first_eight_bytes(hash: Sha1) -> u64 {
    let digest = hash.finalize();
    let (first, _) = digest.split_first_chunk().expect("a SHA-1 has twenty bytes");
    u64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(url: &str, token: &str) -> MemberId {
        member_id(&PeerUrls::parse([url]).expect("a URL"), token, None)
    }

    #[test]
    fn a_single_member_has_the_ids_of_a_running_etcd() {
        let id = id_of("http://localhost:2380", "etcd-cluster");
        assert_eq!(id.to_string(), "8e9e05c52164694d");
        assert_eq!(id, MemberId(10_276_657_743_932_975_437));
        assert_eq!(cluster_id([id]).to_string(), "cdf818194e3a8c32");
        assert_eq!(cluster_id([id]), ClusterId(14_841_639_068_965_178_418));

        let id = id_of("http://127.0.0.1:33380", "etcd-cluster");
        assert_eq!(id, MemberId(6_662_698_563_040_693_991));
        assert_eq!(cluster_id([id]), ClusterId(6_012_025_715_201_963_436));
    }

    #[test]
    fn the_order_of_urls_does_not_change_an_id_but_token_and_time_do() {
        let there = PeerUrls::parse(["http://a:1", "http://b:1"]).expect("URLs");
        let back = PeerUrls::parse(["http://b:1", "http://a:1"]).expect("URLs");
        assert_eq!(member_id(&there, "t", None), member_id(&back, "t", None));
        assert_ne!(member_id(&there, "t", None), member_id(&there, "u", None));
        assert_ne!(member_id(&there, "t", None), member_id(&there, "t", Some(1)));
        // The seconds follow the token as decimal text, nothing between them.
        assert_eq!(member_id(&there, "12", None), member_id(&there, "", Some(12)));
    }

    #[test]
    fn an_id_prints_without_padding_and_parses_back() {
        assert_eq!(MemberId(0xab).to_string(), "ab");
        assert_eq!(format!("{:x}", ClusterId(0xab)), "ab");
        assert_eq!(format!("{:016x}", ClusterId(0xab)), "00000000000000ab");
        assert_eq!("ab".parse(), Ok(MemberId(0xab)));
        assert_eq!("ffffffffffffffff".parse(), Ok(MemberId(u64::MAX)));
        for wrong in ["", "+1", "-1", "0x1", "g", "10000000000000000"] {
            assert_eq!(wrong.parse::<MemberId>(), Err(Error::InvalidId(wrong.to_owned())));
        }
    }
}
