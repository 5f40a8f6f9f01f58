//! The terms on which all services are served.

/// A service on the terms of all: what etcd's own takes, and gzip for requests as it does. Answers
/// go out as they are, which every client takes. Generated services and `tonic::server::Grpc` have
/// no trait in common, but the same names for this.
macro_rules! terms {
    ($service:expr, $limits:expr) => {
        $service
            .max_decoding_message_size($limits.max_message_bytes())
            .max_encoding_message_size($crate::limits::MAX_SENT_BYTES)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
    };
}
pub(crate) use terms;
