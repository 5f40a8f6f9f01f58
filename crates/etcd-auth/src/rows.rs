//! The store's rows, byte for byte those of etcd's buckets auth, authUsers and authRoles.

use etcd_proto::authpb::{Role, User};
use etcd_storage::{Batch, Storage, Table};
use prost::Message;

use crate::Error;

const ENABLED: &[u8] = b"authEnabled";
const REVISION: &[u8] = b"authRevision";

pub(crate) fn load_enabled(storage: &Storage) -> Result<bool, Error> {
    match storage.get(Table::Auth, ENABLED)?.as_deref() {
        None | Some([0]) => Ok(false),
        Some([1]) => Ok(true),
        Some(_) => Err(damaged("auth", "authEnabled is neither 0 nor 1")),
    }
}

pub(crate) fn put_enabled(batch: &mut Batch, is_enabled: bool) {
    batch.put(Table::Auth, ENABLED, &[u8::from(is_enabled)]);
}

/// The stored revision; none before the first start has written one.
pub(crate) fn load_revision(storage: &Storage) -> Result<Option<u64>, Error> {
    let Some(bytes) = storage.get(Table::Auth, REVISION)? else { return Ok(None) };
    match <[u8; 8]>::try_from(&bytes[..]) {
        Ok(bytes) => Ok(Some(u64::from_be_bytes(bytes))),
        Err(_) => Err(damaged("auth", "authRevision has another size than eight bytes")),
    }
}

pub(crate) fn put_revision(batch: &mut Batch, revision: u64) {
    batch.put(Table::Auth, REVISION, &revision.to_be_bytes());
}

pub(crate) fn put_user(batch: &mut Batch, user: &User) {
    batch.put(Table::AuthUsers, &user.name, &user.encode_to_vec());
}

pub(crate) fn delete_user(batch: &mut Batch, name: &str) {
    batch.delete(Table::AuthUsers, name.as_bytes());
}

pub(crate) fn put_role(batch: &mut Batch, role: &Role) {
    batch.put(Table::AuthRoles, &role.name, &role.encode_to_vec());
}

pub(crate) fn delete_role(batch: &mut Batch, name: &str) {
    batch.delete(Table::AuthRoles, name.as_bytes());
}

/// Reads a row's value. What is wrong with it is said without what is in it.
pub(crate) fn decode<M: Message + Default>(value: &[u8], table: &'static str) -> Result<M, Error> {
    M::decode(value).map_err(|error| damaged(table, &error.to_string()))
}

/// A name, which came in as text.
pub(crate) fn name(bytes: &[u8], table: &'static str) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| damaged(table, "a name is not UTF-8"))
}

fn damaged(table: &'static str, reason: &str) -> Error {
    Error::Damaged { table, reason: reason.to_owned() }
}
