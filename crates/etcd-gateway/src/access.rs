//! From where members may be asked over HTTP: for browsers, who send requests on behalf of any page.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use etcd_apply::Views;
use etcd_transport::{Connection, TlsFacts};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HOST,
    ORIGIN,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::sync::Arc;

use crate::routes::text;

/// Stands for all.
const ANY: &str = "*";

/// etcd's words to those that it [refuses](Access::refusing_names).
const NAME_IGNORED: &str = "CommonName of client sending a request against gateway will be \
                            ignored and not used as expected\n";

const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static("accept, content-type, authorization");

/// Whose requests are answered. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    origins: Arc<[String]>,
    hosts: Arc<[String]>,
    /// Tells whether authentication is on, where clients prove with certificates who they are.
    named: Option<Views>,
}

impl Access {
    /// Pages of these origins may read answers (`--cors`), and without TLS requests must name one of
    /// these hosts (`--host-whitelist`); `*` stands for all of them, and so do no hosts.
    pub fn new(origins: &[String], hosts: &[String]) -> Access {
        Access { origins: origins.into(), hosts: hosts.into(), named: None }
    }

    /// While authentication is on, clients whose certificate has a name are not answered in JSON:
    /// there the name proves nothing, and they might rely on it.
    #[must_use]
    pub fn refusing_names(self, views: Views) -> Access {
        Access { named: Some(views), ..self }
    }

    fn refuses_name(&self, tls: &TlsFacts, path: &str) -> bool {
        let has_name = tls.common_name.as_ref().is_some_and(|name| !name.is_empty());
        let is_json = path.starts_with("/v3/") || path.starts_with("/v3beta/");
        has_name && is_json && self.named.as_ref().is_some_and(|views| views.auth.is_enabled())
    }

    fn knows_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|known| known == ANY || known == host)
    }

    /// The origin whose pages may read the answer.
    fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.origins.iter().any(|known| known == ANY) {
            return Some(HeaderValue::from_static(ANY));
        }
        let origin = headers.get(ORIGIN)?;
        self.origins
            .iter()
            .any(|known| known.as_bytes() == origin.as_bytes())
            .then(|| origin.clone())
    }
}

/// Comes before every path of the client listeners.
pub(crate) async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Connection>();
    match connection.and_then(|connection| connection.tls.as_ref()) {
        None => {
            let host = host(&request);
            if !access.knows_host(host) {
                tracing::warn!(host, "rejected an HTTP request of a host not in --host-whitelist");
                return text(StatusCode::MISDIRECTED_REQUEST, refusal(host));
            }
        }
        Some(tls) if access.refuses_name(tls, request.uri().path()) => {
            return text(StatusCode::BAD_REQUEST, NAME_IGNORED);
        }
        Some(_) => {}
    }
    let origin = access.origin(request.headers());
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::OK.into_response(),
        _ => next.run(request).await,
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    }
    response
}

/// The host that the client believes to speak to, without the port.
fn host(request: &Request) -> &str {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = named.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    let host = host.unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, _)) if name.starts_with('[') && name.ends_with(']') => &name[1..name.len() - 1],
        Some((name, _)) if !name.contains([':', '[', ']']) => name,
        _ => host,
    }
}

fn refusal(host: &str) -> String {
    format!(
        "This member does not answer over plain HTTP to the host name {host:?}, lest a web page \
         make a browser speak to it under a name of the page's own (DNS rebinding, \
         CVE-2018-5702).\n\nEither let it serve HTTPS, where every name is allowed, or add the \
         name: --host-whitelist={host}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use tower::ServiceExt;

    #[track_caller]
    fn check_host(header: &'static str, expected: &str) {
        let request = Request::builder().header(HOST, header).body(Body::empty()).expect("valid");
        assert_eq!(host(&request), expected);
    }

    #[test]
    fn a_host_is_known_without_its_port() {
        check_host("here", "here");
        check_host("here:2379", "here");
        check_host("[::1]:2379", "::1");
        check_host("[::1]", "[::1]");
        check_host("::1", "::1");
        check_host("[here", "[here");
        check_host("", "");
        let request = Request::builder().uri("http://there:1/x").body(Body::empty());
        assert_eq!(host(&request.expect("valid")), "there");
    }

    /// The status, and the origin that is allowed.
    async fn ask(access: &Access, method: Method, host: &str, origin: &str) -> (u16, String) {
        let layer = axum::middleware::from_fn_with_state(access.clone(), check);
        let routes = Router::new().fallback(async || StatusCode::NOT_FOUND).layer(layer);
        let request = Request::builder().method(method).header(HOST, host).header(ORIGIN, origin);
        let request = request.body(Body::empty()).expect("valid");
        let response = routes.oneshot(request).await.expect("it cannot fail");
        let allowed = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
        let allowed = allowed.map(|origin| origin.to_str().expect("text").to_owned());
        (response.status().as_u16(), allowed.unwrap_or_default())
    }

    #[tokio::test]
    async fn who_asks_from_elsewhere_is_refused_or_cannot_read_the_answer() {
        let (page, other) = ("http://page:80", "http://other:80");
        let some = Access::new(&[page.to_owned()], &["here".to_owned()]);
        let allowed = |status, origin: &str| (status, origin.to_owned());
        assert_eq!(ask(&some, Method::GET, "here:1", page).await, allowed(404, page));
        assert_eq!(ask(&some, Method::OPTIONS, "here", page).await, allowed(200, page));
        assert_eq!(ask(&some, Method::OPTIONS, "here", other).await, allowed(200, ""));
        assert_eq!(ask(&some, Method::OPTIONS, "HERE", page).await, allowed(421, ""));
        for hosts in [vec![], vec!["here".to_owned(), "*".to_owned()]] {
            let all = Access::new(&["*".to_owned()], &hosts);
            assert_eq!(ask(&all, Method::GET, "there", other).await, allowed(404, "*"));
        }
    }
}
