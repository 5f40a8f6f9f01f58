//! What the messages look like: read when somebody first asks for it in JSON.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MethodDescriptor};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(etcd_proto::DESCRIPTORS).expect("etcd-proto's descriptors are good")
});

/// A method by its path, like `/etcdserverpb.KV/Put`.
pub(crate) fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    let service = POOL.get_service_by_name(service)?;
    service.methods().find(|method| method.name() == name)
}

/// A message by its full name.
#[cfg(test)]
pub(crate) fn message(name: &str) -> prost_reflect::MessageDescriptor {
    POOL.get_message_by_name(name).expect("there is such a message")
}
