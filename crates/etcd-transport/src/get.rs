//! Single HTTP requests to other members, for what a member asks before it speaks raft.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::Error;
use crate::dial::{Dialer, Protocol};
use crate::error::with_sources;

/// The longest answer taken: far more than the member list of any cluster.
const MAX_BODY: usize = 4 << 20;

impl Dialer {
    /// The answer to `GET path` at a member's URL, over HTTP/1.1, within `limit`.
    ///
    /// # Errors
    /// [`Error::Url`] or [`Error::TlsSettings`] for a URL that cannot be dialled, [`Error::Dial`]
    /// when no connection stood, [`Error::Exchange`] when the answer failed, took longer than
    /// `limit` or was longer than 4 MiB. Any status is an answer.
    pub async fn get(
        &self,
        url: &str,
        path: &str,
        limit: Duration,
    ) -> Result<Response<Bytes>, Error> {
        self.get_with(url, path, HeaderMap::new(), Bytes::new(), limit).await
    }

    /// The same, with headers and a body in the request, as a few of etcd's paths want it.
    ///
    /// # Errors
    /// As [`Dialer::get`].
    pub async fn get_with(
        &self,
        url: &str,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<Response<Bytes>, Error> {
        let request = Request::get(path).body(Full::new(body));
        self.exchange(url, path, request, headers, limit).await
    }

    /// The answer to `POST path` without a body.
    ///
    /// # Errors
    /// As [`Dialer::get`].
    pub async fn post(
        &self,
        url: &str,
        path: &str,
        headers: HeaderMap,
        limit: Duration,
    ) -> Result<Response<Bytes>, Error> {
        let request = Request::post(path).body(Full::new(Bytes::new()));
        self.exchange(url, path, request, headers, limit).await
    }

    async fn exchange(
        &self,
        url: &str,
        path: &str,
        request: Result<Request<Full<Bytes>>, http::Error>,
        headers: HeaderMap,
        limit: Duration,
    ) -> Result<Response<Bytes>, Error> {
        let target = self.target(url)?;
        let failed = |reason: String| Error::Exchange { url: format!("{url}{path}"), reason };
        let exchange = async {
            let stream = self.connect(&target, Protocol::Http1).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| failed(with_sources(&error)))?;
            let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
            let mut request = request.map_err(|error| failed(error.to_string()))?;
            let host = HeaderValue::from_str(&target.authority());
            let host = host.map_err(|error| failed(error.to_string()))?;
            request.headers_mut().insert(header::HOST, host);
            request.headers_mut().extend(headers);
            let answer =
                sender.send_request(request).await.map_err(|error| failed(with_sources(&error)))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_BODY)
                .collect()
                .await
                .map_err(|error| failed(with_sources(&*error)))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let answered = timeout(limit, exchange).await;
        answered.unwrap_or_else(|_| Err(failed(format!("no answer within {limit:?}"))))
    }
}
