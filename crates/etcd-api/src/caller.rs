//! What a request brings to prove who sends it.

use axum::http;
use etcd_spans::Request as LookedAt;
use etcd_transport::Connection;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request};

/// Where clients put their token.
const TOKEN: &str = "token";
/// Where those put it that come from HTTP.
const AUTHORIZATION: &str = "authorization";
/// What may stand before it.
const BEARER: &str = "Bearer ";
/// Only requests that came as JSON have this.
const FROM_JSON: &str = "grpcgateway-accept";

/// A request without its message. Nothing is looked at before somebody asks, and nothing of it is
/// ever printed.
pub(crate) struct Caller {
    metadata: MetadataMap,
    extensions: Extensions,
}

impl Caller {
    /// Takes a request apart.
    pub(crate) fn split<T>(request: Request<T>) -> (Caller, T) {
        let (metadata, extensions, message) = request.into_parts();
        (Caller { metadata, extensions }, message)
    }

    /// Takes what it needs of a request that has been read.
    pub(crate) fn of<B>(request: &mut http::Request<B>) -> Caller {
        let metadata = MetadataMap::from_headers(std::mem::take(request.headers_mut()));
        Caller { metadata, extensions: std::mem::take(request.extensions_mut()) }
    }

    pub(crate) fn metadata(&self) -> &MetadataMap {
        &self.metadata
    }

    /// The request as it is looked at, if it is.
    pub(crate) fn looked_at(&self) -> Option<&LookedAt> {
        self.extensions.get()
    }

    /// What it came over.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.extensions.get::<Connection>()
    }

    /// The token: the first one counts, good or not. None if there is none; one that is not text is
    /// an empty one, which is good for nothing.
    pub(crate) fn token(&self) -> Option<&str> {
        let value = self.metadata.get(TOKEN).or_else(|| self.metadata.get(AUTHORIZATION))?;
        let token = value.to_str().unwrap_or_default();
        Some(token.strip_prefix(BEARER).unwrap_or(token))
    }

    /// The common name of the client's certificate, empty if it has none. A certificate that some
    /// proxy for JSON brings is not the client's.
    pub(crate) fn certificate_name(&self) -> Option<&str> {
        if self.metadata.contains_key(FROM_JSON) {
            return None;
        }
        let tls = self.connection()?.tls.as_ref()?;
        tls.has_certificate.then(|| tls.common_name.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(metadata: &[(&'static str, &str)]) -> Option<String> {
        let mut request = Request::new(());
        for (key, value) in metadata {
            request.metadata_mut().append(*key, value.parse().expect("visible"));
        }
        Caller::split(request).0.token().map(str::to_owned)
    }

    #[test]
    fn the_first_token_counts_wherever_it_stands() {
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[("token", "a"), ("token", "b")]).as_deref(), Some("a"));
        assert_eq!(token(&[("authorization", "a"), ("token", "b")]).as_deref(), Some("b"));
        assert_eq!(token(&[("authorization", "a")]).as_deref(), Some("a"));
        assert_eq!(token(&[("token", "")]).as_deref(), Some(""));
    }

    #[test]
    fn bearer_may_stand_before_it_as_etcd_writes_it() {
        assert_eq!(token(&[("authorization", "Bearer a")]).as_deref(), Some("a"));
        assert_eq!(token(&[("token", "Bearer a")]).as_deref(), Some("a"));
        assert_eq!(token(&[("token", "bearer a")]).as_deref(), Some("bearer a"));
        assert_eq!(token(&[("token", "Bearer Bearer a")]).as_deref(), Some("Bearer a"));
    }

    #[test]
    fn what_is_no_text_is_no_good_token_and_not_none() {
        let mut request = Request::new(());
        let value = tonic::metadata::MetadataValue::try_from(&b"\xffa"[..]).expect("opaque");
        request.metadata_mut().insert("token", value);
        assert_eq!(Caller::split(request).0.token(), Some(""));
    }
}
