//! Why somebody is not let in, or a change of users and roles not made.

/// A refusal changes nothing; every member comes to the same one for the same command. The texts
/// are etcd's own inside a server; most of them have another one on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Authentication cannot be turned on without the user `root`.
    #[error("auth: root user does not exist")]
    RootUserMissing,
    /// Authentication cannot be turned on before the user `root` has the role `root`.
    #[error("auth: root user does not have root role")]
    RootRoleMissing,
    /// A user has this name already.
    #[error("auth: user already exists")]
    UserExists,
    /// A user name is empty, or nobody is named where somebody must be.
    #[error("auth: user name is empty")]
    UserEmpty,
    /// No user has this name.
    #[error("auth: user not found")]
    UserNotFound,
    /// A role has this name already.
    #[error("auth: role already exists")]
    RoleExists,
    /// No role has this name.
    #[error("auth: role not found")]
    RoleNotFound,
    /// A role name is empty.
    #[error("auth: role name is empty")]
    RoleEmpty,
    /// Unknown user or wrong password.
    #[error("auth: authentication failed, invalid user ID or password")]
    AuthFailed,
    /// The user has no password to authenticate with, or a password's hash is unreadable, for which
    /// etcd says the same.
    #[error("auth: authentication failed, password was given for no password user")]
    NoPasswordUser,
    /// A grant brings no permission.
    #[error("auth: permission not given")]
    PermissionNotGiven,
    /// The user may not do this.
    #[error("auth: permission denied")]
    PermissionDenied,
    /// The user does not have the role.
    #[error("auth: role is not granted to the user")]
    RoleNotGranted,
    /// The role does not have the permission.
    #[error("auth: permission is not granted to the role")]
    PermissionNotGranted,
    /// Authentication is off.
    #[error("auth: authentication is not enabled")]
    NotEnabled,
    /// The token is unknown, expired or not one.
    #[error("auth: invalid auth token")]
    InvalidToken,
    /// A permission for a range that is none, or a change that would lock everybody out.
    #[error("auth: invalid auth management")]
    InvalidManagement,
    /// Users or roles have changed since the caller proved who he is.
    #[error("auth: revision in header is old")]
    OldRevision,
    /// This member can check tokens, not sign them.
    #[error("auth: token signing attempted with verify-only key")]
    VerifyOnly,
    /// A password is longer than what can be hashed.
    #[error("bcrypt: password length exceeds 72 bytes")]
    PasswordTooLong,
}
