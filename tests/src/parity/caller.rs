//! In whose name a request is sent.

/// How many tokens are remembered at a time.
pub const TOKENS: usize = 6;

/// In whose name a request is sent, while authentication is on; else it makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Nobody's: there is no token.
    Nobody,
    /// Of whoever got the token that stands in this place; nobody's when there is none.
    Token(usize),
    /// Of a token that no server made.
    Forged(&'static str),
    /// Of a second root that no operation changes: what the comparison itself has to know.
    Keeper,
}

/// The keeper's name.
pub(crate) const KEEPER: &str = "keeper";
/// And password.
pub(crate) const KEEPER_PASSWORD: &str = "kept";

/// The request with a token in its metadata, if there is one.
pub(crate) fn by<T>(token: Option<&str>, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    if let Some(token) = token {
        let token = token.parse().expect("tokens are visible letters");
        request.metadata_mut().insert("token", token);
    }
    request
}
