//! How messages with secrets are printed: without them. Whatever prints a request, at whatever
//! level of the log, prints no password, no hash of one and no token.

use std::fmt::{Debug, Formatter, Result};

use crate::authpb::User;
use crate::etcdserverpb::{
    AuthUserAddRequest, AuthUserChangePasswordRequest, AuthenticateRequest, AuthenticateResponse,
    InternalAuthenticateRequest,
};

macro_rules! print_only {
    ($($message:ident: $($field:ident),*;)*) => {$(
        impl Debug for $message {
            fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
                formatter
                    .debug_struct(stringify!($message))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    )*};
}

print_only! {
    User: name, roles, options;
    AuthenticateRequest: name;
    AuthenticateResponse: header;
    AuthUserAddRequest: name, options;
    AuthUserChangePasswordRequest: name;
    InternalAuthenticateRequest: name;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcdserverpb::InternalRaftRequest;

    #[test]
    fn no_secret_is_printed() {
        let secret = || "secret".to_owned();
        let add = AuthUserAddRequest {
            name: "ann".to_owned(),
            password: secret(),
            hashed_password: secret(),
            options: None,
        };
        let change = AuthUserChangePasswordRequest {
            name: "ann".to_owned(),
            password: secret(),
            hashed_password: secret(),
        };
        let authenticate = InternalAuthenticateRequest {
            name: "ann".to_owned(),
            password: secret(),
            simple_token: secret(),
        };
        let command = InternalRaftRequest {
            auth_user_add: Some(add),
            auth_user_change_password: Some(change),
            authenticate: Some(authenticate),
            ..InternalRaftRequest::default()
        };
        let request = AuthenticateRequest { name: "ann".to_owned(), password: secret() };
        let response = AuthenticateResponse { header: None, token: secret() };
        let user = User { password: secret().into(), ..User::default() };
        let printed = format!("{command:?} {command:#?} {request:?} {response:?} {user:?}");
        assert!(printed.contains("ann") && !printed.contains("secret"), "{printed}");
    }
}
