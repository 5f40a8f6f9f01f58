//! `/metrics`: what the member counts, in Prometheus' text format.

use std::borrow::Cow;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use prometheus::TextEncoder;

use crate::Facts;

/// As etcd's library names the format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
/// How the bound of a histogram's bucket begins in the text.
const BOUND: &str = "le=\"";
/// From here on Go writes numbers with an exponent.
const EXPONENT_FROM: f64 = 1e6;

pub(crate) async fn metrics(State(facts): State<Facts>) -> Response {
    let Facts { registry, looks, .. } = facts;
    looks.begin_scrape();
    // It asks the storage, and holds locks for short whiles.
    let text = tokio::task::spawn_blocking(move || {
        TextEncoder::new().encode_to_string(&registry.gather()).map_err(|error| error.to_string())
    });
    let text = text.await.unwrap_or_else(|error| Err(error.to_string()));
    let (code, response) = match text {
        Ok(text) => {
            let text = with_gos_bounds(&text).into_owned();
            ("200", ([(header::CONTENT_TYPE, TEXT)], text).into_response())
        }
        Err(error) => {
            let reason = format!("An error has occurred while serving metrics:\n\n{error}\n");
            ("500", (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response())
        }
    };
    looks.end_scrape(code);
    response
}

/// Writes the bounds of buckets as Go does: to Prometheus they are text, and what is written in
/// another way is another bucket.
fn with_gos_bounds(text: &str) -> Cow<'_, str> {
    let mut written: Option<String> = None;
    let mut rest = text;
    let mut copied = text;
    while let Some(at) = rest.find(BOUND) {
        rest = &rest[at + BOUND.len()..];
        let Some(end) = rest.find('"') else { break };
        let bound = &rest[..end];
        if let Ok(number) = bound.parse::<f64>()
            && number.is_finite()
            && number >= EXPONENT_FROM
        {
            let until = copied.len() - rest.len();
            let written = written.get_or_insert_with(|| String::with_capacity(text.len() + 64));
            written.push_str(&copied[..until]);
            written.push_str(&gos(number));
            copied = &rest[end..];
        }
        rest = &rest[end..];
    }
    match written {
        Some(written) => Cow::Owned(written + copied),
        None => Cow::Borrowed(text),
    }
}

/// A number of more than six digits before the point: its digits, and an exponent of two at least.
fn gos(number: f64) -> String {
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').expect("it is asked for");
    format!("{digits}e+{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bounds_are_written_as_go_writes_them() {
        let text = "a_bucket{le=\"524288\"} 1048576\na_bucket{le=\"1048576\"} 2\n\
                    a_bucket{x=\"1048576\",le=\"2097152\"} 3\na_bucket{le=\"+Inf\"} 4\na_sum 5\n";
        let expected = "a_bucket{le=\"524288\"} 1048576\na_bucket{le=\"1.048576e+06\"} 2\n\
                        a_bucket{x=\"1048576\",le=\"2.097152e+06\"} 3\na_bucket{le=\"+Inf\"} 4\n\
                        a_sum 5\n";
        assert_eq!(with_gos_bounds(text), expected);
        assert_eq!(with_gos_bounds("a 1\n"), "a 1\n");
        assert_eq!((gos(1e6), gos(1e12)), ("1e+06".to_owned(), "1e+12".to_owned()));
    }
}
