//! Where clients come in: one kind of door for everything, or one for gRPC and one for HTTP.

use axum::Router;
use etcd_api::Services;
use etcd_config::{Member, Monitoring, Url};
use etcd_transport::{ClientListener, ListenOptions, ServerTls};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::SHUTDOWN_GRACE;
use crate::{Error, limits};

/// The bound client listeners of a member.
pub(crate) struct ClientDoors {
    /// `--listen-client-urls`.
    main: ClientListener,
    /// `--listen-client-http-urls`: where it is given, the main one serves gRPC only.
    http: Option<ClientListener>,
    /// `--listen-metrics-urls`.
    metrics: Option<ClientListener>,
}

impl ClientDoors {
    pub(crate) fn bind(
        member: &Member,
        monitoring: &Monitoring,
        tls: Option<ServerTls>,
    ) -> Result<ClientDoors, Error> {
        let (main, http) = (&member.listen_client_urls, &member.listen_client_http_urls);
        if let Some(url) = main.iter().find(|url| http.contains(url)) {
            return Err(Error::Configuration(format!(
                "cannot bind both --listen-client-urls and --listen-client-http-urls on the same \
                 url {url}: give each a port of its own"
            )));
        }
        let options = |urls| options(member, urls, tls.clone());
        let bind = |urls| Ok::<_, Error>(ClientListener::bind(options(urls)?)?);
        // As in etcd only here: whoever looks on must come from where its certificate says.
        let bind_checking =
            |urls| Ok::<_, Error>(ClientListener::bind_checking_names(options(urls)?)?);
        let metrics = &monitoring.listen_metrics_urls;
        Ok(ClientDoors {
            main: bind(main)?,
            http: (!http.is_empty()).then(|| bind(http)).transpose()?,
            metrics: (!metrics.is_empty()).then(|| bind_checking(metrics)).transpose()?,
        })
    }

    /// Lets others look on, if there is a door for them: also when there is no quorum yet.
    pub(crate) fn serve_metrics(
        &mut self,
        http: Router,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        if let Some(listener) = self.metrics.take() {
            tasks.spawn(listener.serve(Router::new(), http, stop.clone()));
        }
    }

    pub(crate) fn serve(
        self,
        grpc: Services,
        http: Router,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let main_http = match self.http {
            None => http,
            Some(listener) => {
                tasks.spawn(listener.serve(Router::new(), http, stop.clone()));
                Router::new()
            }
        };
        tasks.spawn(self.main.serve(grpc, main_http, stop.clone()));
    }
}

fn options(member: &Member, urls: &[Url], tls: Option<ServerTls>) -> Result<ListenOptions, Error> {
    let interval = member.grpc_keepalive_interval;
    let max_connections = limits::client_connections()?;
    Ok(ListenOptions {
        urls: urls.iter().map(|url| url.as_str().to_owned()).collect(),
        tls,
        max_concurrent_streams: member.max_concurrent_streams,
        keepalive_interval: (!interval.is_zero()).then_some(interval),
        keepalive_timeout: member.grpc_keepalive_timeout,
        shutdown_grace: SHUTDOWN_GRACE,
        max_connections,
        // Half of the places stay for those who are through.
        max_handshakes: max_connections / 2,
        share_port: member.socket_reuse_port,
        ..ListenOptions::default()
    })
}
