//! Prints every bucket and pair of a file: `contents FILE`.

use std::path::Path;

use anyhow::Context as _;
use etcd_bolt::{BoltReader, Bucket, Content};

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("usage: contents FILE")?;
    let reader = BoltReader::open(Path::new(&path)).with_context(|| path.clone())?;
    print(&reader, &reader.root(), 0)
}

#[allow(clippy::print_stdout, reason = "it is what the example is for")]
fn print(reader: &BoltReader, bucket: &Bucket, depth: usize) -> anyhow::Result<()> {
    for entry in reader.entries(bucket) {
        let entry = entry?;
        let (indent, key) = ("  ".repeat(depth), entry.key.escape_ascii());
        match entry.content {
            Content::Value(value) => println!("{indent}{key} = {}", value.escape_ascii()),
            Content::Bucket(bucket) => {
                println!("{indent}{key}:");
                print(reader, &bucket, depth + 1)?;
            }
        }
    }
    Ok(())
}
