//! gRPC's services as JSON, under `/v3/`.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use prost_reflect::MessageDescriptor;
use tonic::Code;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::bindings::{self, Binding};
use crate::call::{Answer, Next, Services, call};
use crate::messages::frame;
use crate::metadata::{self, Metadata};
use crate::paths;
use crate::printing::print;
use crate::refusal::{JSON, Refusal};
use crate::values::{Value, Values};
use crate::websocket;

/// Asks for another method than POST, which proxies may let through where that is not.
const METHOD_OVERRIDE: &str = "x-http-method-override";
/// Only then it is listened to.
const FORM: &str = "application/x-www-form-urlencoded";

/// Calls the services of a member for clients that speak JSON. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    services: Services,
}

impl Gateway {
    /// `services` are those that clients reach by gRPC. They are called without a
    /// [`Connection`](etcd_transport::Connection): a certificate proves nothing here.
    pub fn new<S, B>(services: S) -> Gateway
    where
        S: Service<Request, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let services = services.map_response(|response| response.map(Body::new));
        Gateway { services: BoxCloneSyncService::new(services) }
    }

    /// Everything under `/v3/`, and under the name that it had before.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/v3", any(paths::to_folder))
            .route("/v3/", any(serve))
            .route("/v3/{*path}", any(serve))
            .route("/v3beta/", any(serve))
            .route("/v3beta/{*path}", any(serve))
            .with_state(self)
    }

    /// Answers a request of HTTP, or one that a WebSocket's client has sent.
    pub(crate) async fn answer(self, path: &str, parts: Parts, body: Body) -> Response {
        let Some(binding) = bindings::find(path) else {
            return Refusal::not_found().into_answer();
        };
        let (method, body) = wanted(&parts, body);
        if method != Method::POST {
            return Refusal::not_allowed().into_answer();
        }
        let metadata = match metadata::incoming(&parts) {
            Ok(metadata) => metadata,
            Err(refusal) => return refusal.into_answer(),
        };
        let values = Values::new(body);
        let answered = match binding.method.is_server_streaming() {
            true => self.stream(&binding, metadata, values).await,
            false => self.unary(&binding, metadata, values).await,
        };
        answered.unwrap_or_else(Refusal::into_answer)
    }

    async fn unary(
        self,
        binding: &Binding,
        metadata: Metadata,
        mut values: Values,
    ) -> Result<Response, Refusal> {
        let takes_trailers = metadata.takes_trailers;
        let request = only_message(&binding.method.input(), &mut values).await?;
        let mut answer = call(self.services, binding.rpc, metadata, request).await?;
        let message = match answer.next().await {
            Next::Message(message) => message,
            Next::End(Err(refusal)) if takes_trailers => {
                return Ok(with_trailers(refusal.into_answer(), &answer.headers));
            }
            Next::End(Err(refusal)) => return Err(refusal),
            Next::End(Ok(())) => {
                return Err(Refusal::new(Code::Internal, "the call was answered with nothing"));
            }
        };
        if let Next::End(Err(refusal)) = answer.next().await {
            return Err(refusal);
        }
        let mut text = Vec::new();
        print_or_refuse(&binding.method.output(), message, &mut text)?;
        Ok(respond(StatusCode::OK, &answer.headers, Body::from(text)))
    }

    async fn stream(
        self,
        binding: &Binding,
        metadata: Metadata,
        mut values: Values,
    ) -> Result<Response, Refusal> {
        let input = binding.method.input();
        let request = match binding.method.is_client_streaming() {
            true => all_messages(input, values),
            false => only_message(&input, &mut values).await?,
        };
        let mut answer = call(self.services, binding.rpc, metadata, request).await?;
        // Until the first message it may still become a refusal.
        Ok(match answer.next().await {
            Next::Message(first) => {
                let headers = answer.headers.clone();
                let lines = Lines { output: binding.method.output(), first: Some(first), answer };
                respond(StatusCode::OK, &headers, lines.into_body())
            }
            Next::End(Ok(())) => Response::new(Body::empty()),
            Next::End(Err(refusal)) => refuse_stream(&refusal),
        })
    }
}

async fn serve(
    State(gateway): State<Gateway>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let path = path.map(|Path(path)| path).unwrap_or_default();
    match websocket::is_wanted(request.headers()) {
        true => websocket::serve(gateway, path, request).await,
        false => {
            let (parts, body) = request.into_parts();
            gateway.answer(&path, parts, body).await
        }
    }
}

/// The method of HTTP that counts, and the body: whoever overrides the method sends a form, which
/// says nothing here.
fn wanted(parts: &Parts, body: Body) -> (Method, Body) {
    let method = parts.headers.get(METHOD_OVERRIDE).filter(|method| !method.is_empty());
    let is_form = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == FORM);
    match method {
        Some(method) if parts.method == Method::POST && is_form => {
            let method = Method::from_bytes(&method.as_bytes().to_ascii_uppercase());
            (method.unwrap_or_default(), Body::empty())
        }
        _ => (parts.method.clone(), body),
    }
}

/// The message of a request that has one; the default one if its body says nothing.
async fn only_message(message: &MessageDescriptor, values: &mut Values) -> Result<Body, Refusal> {
    let value = values.next().await.map_err(Refusal::invalid)?;
    let wire = match value {
        Some(value) => value.transcribe(message).map_err(Refusal::invalid)?,
        None => Bytes::new(),
    };
    Ok(Body::from(frame(&wire)))
}

/// The messages of a request that is a stream, as they come. What cannot be read ends it.
fn all_messages(message: MessageDescriptor, values: Values) -> Body {
    let messages = stream::unfold((message, values), async |(message, mut values)| {
        let value: Option<Value> = values.next().await.ok()?;
        let wire = value?.transcribe(&message).ok()?;
        Some((Ok::<_, Infallible>(frame(&wire)), (message, values)))
    });
    Body::from_stream(messages)
}

/// An answer that is a stream: one line of JSON for each message.
struct Lines {
    output: MessageDescriptor,
    first: Option<Bytes>,
    answer: Answer,
}

impl Lines {
    fn into_body(self) -> Body {
        let lines = stream::unfold(Some(self), async |lines| {
            let mut lines = lines?;
            let next = match lines.first.take() {
                Some(message) => Next::Message(message),
                None => lines.answer.next().await,
            };
            let line = match next {
                Next::Message(message) => lines.line(message),
                Next::End(Ok(())) => return None,
                Next::End(Err(refusal)) => Err(refusal),
            };
            Some(match line {
                Ok(line) => (Ok::<_, Infallible>(line), Some(lines)),
                Err(refusal) => (Ok(refusal.line()), None),
            })
        });
        Body::from_stream(lines)
    }

    fn line(&self, message: Bytes) -> Result<Vec<u8>, Refusal> {
        let mut line = b"{\"result\":".to_vec();
        print_or_refuse(&self.output, message, &mut line)?;
        line.extend_from_slice(b"}\n");
        Ok(line)
    }
}

fn print_or_refuse(
    message: &MessageDescriptor,
    wire: Bytes,
    text: &mut Vec<u8>,
) -> Result<(), Refusal> {
    print(message, wire, text).map_err(|reason| Refusal::new(Code::Internal, reason))
}

fn respond(status: StatusCode, metadata: &HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = metadata::outgoing(metadata);
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// An answer that ends with what gRPC said instead of one.
fn with_trailers(mut response: Response, metadata: &HeaderMap) -> Response {
    let (trailers, names) = metadata::trailing(metadata);
    for name in names {
        let name = HeaderValue::try_from(name).expect("the names of headers are visible");
        response.headers_mut().append(header::TRAILER, name);
    }
    // Its length must not be known: else there is no place for trailers in HTTP/1.1.
    response.map(|body| {
        let body = Body::from_stream(body.into_data_stream());
        Body::new(body.with_trailers(async { Some(Ok(trailers)) }))
    })
}

/// A stream that has nothing but a refusal.
fn refuse_stream(refusal: &Refusal) -> Response {
    respond(refusal.status(), &HeaderMap::new(), Body::from(refusal.line()))
}
