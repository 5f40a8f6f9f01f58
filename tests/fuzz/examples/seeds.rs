//! Writes the seeds into the folder that the argument names, a file each.

use std::fs;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| std::io::Error::other("usage: seeds FOLDER"))?;
    fs::create_dir_all(&folder)?;
    for (name, input) in etcd_fuzz::seeds::seeds() {
        fs::write(folder.join(name), input)?;
    }
    Ok(())
}
