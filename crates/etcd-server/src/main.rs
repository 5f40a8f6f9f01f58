//! The `etcd-server` binary: a drop-in for etcd.

use std::process::ExitCode;

/// The allocator that RocksDB uses too: one heap for the whole process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    etcd_server::run()
}
