//! A certificate authority, a server's certificate and a client's, made anew for each test.

use etcd_visitors::{Authority, Side};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// PEM files of one authority.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// A certificate for all members, as server and as client.
    pub server: PathBuf,
    /// Its key.
    pub server_key: PathBuf,
    /// A certificate for clients only.
    pub client: PathBuf,
    /// Its key.
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes an authority in a folder, whose server certificate names these addresses.
    ///
    /// # Panics
    ///
    /// When a certificate cannot be made or written.
    pub fn new(folder: &Path, addresses: &[IpAddr]) -> Certificates {
        fs::create_dir_all(folder).expect("a folder for certificates");
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let authority = Authority::new(folder, "ca");
        let server = authority.issue_to("server", "etcd member", Side::Server, &addresses);
        let client = authority.issue_to("client", "etcd client", Side::Client, &[]);
        Certificates {
            ca: authority.file(),
            server: server.certificate,
            server_key: server.key,
            client: client.certificate,
            client_key: client.key,
        }
    }
}
