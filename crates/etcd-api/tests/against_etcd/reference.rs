//! A real etcd on loopback.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use etcd_proto::etcdserverpb::StatusRequest;
use etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// It ends with this value.
pub(crate) struct Reference {
    process: Child,
    channel: Channel,
    _directory: TempDir,
}

impl Reference {
    pub(crate) async fn start(program: &str) -> Reference {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let client = format!("http://127.0.0.1:{}", free_port());
        let peer = format!("http://127.0.0.1:{}", free_port());
        let process = Command::new(program)
            .args(["--name", "reference", "--log-level", "error", "--unsafe-no-fsync"])
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("reference={peer}")])
            .arg("--data-dir")
            .arg(directory.path())
            // It complains of variables that it does not know.
            .env_remove("ETCD_REFERENCE")
            .stdin(Stdio::null())
            .spawn()
            .expect("the program starts");
        let endpoint = Endpoint::from_shared(client).expect("a URL");
        let channel = endpoint.connect_lazy();
        let ready = async {
            let mut maintenance = MaintenanceClient::new(channel.clone());
            let mut interval = tokio::time::interval(Duration::from_millis(50));
            while maintenance.status(StatusRequest {}).await.is_err() {
                interval.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ready).await.expect("it answers");
        Reference { process, channel, _directory: directory }
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket").port()
}
