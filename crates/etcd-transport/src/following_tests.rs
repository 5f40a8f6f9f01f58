//! Tests of what is said and done when files change.

use std::fs;
use std::path::PathBuf;

use super::*;

/// A follower of one file whose text must be a number.
struct World {
    _directory: tempfile::TempDir,
    file: PathBuf,
    following: Arc<Following<usize>>,
}

fn number(_: &Tls, _: &Paths, material: &Material) -> Result<usize, Error> {
    let text = material.authorities().unwrap_or_default();
    match str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
        Some(number) => Ok(number),
        None => Err(Error::TlsSettings(format!("{} bytes are no number", text.len()))),
    }
}

impl World {
    fn new(text: &str) -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        fs::write(&file, text).expect("written");
        let paths = Paths { identity: None, authorities: Some(file.clone()) };
        let following = Following::start(Tls::default(), paths, number).expect("a number");
        World { _directory: directory, file, following }
    }

    fn look(&self) -> (usize, News) {
        let (config, news) = self.following.refresh();
        (*config, news)
    }
}

#[test]
fn what_a_file_holds_is_taken_once_it_can_be_used() {
    let world = World::new("1");
    assert_eq!(world.look(), (1, News::Nothing));
    fs::write(&world.file, "2").expect("written");
    assert_eq!(world.look(), (2, News::Taken));
    assert_eq!(world.look(), (2, News::Nothing));
}

#[test]
fn a_broken_file_leaves_what_was_and_is_told_of_once() {
    let world = World::new("1");
    let refused = |text: &str| News::Refused(text.to_owned());
    fs::write(&world.file, "one").expect("written");
    assert_eq!(world.look(), (1, refused("3 bytes are no number")));
    assert_eq!(world.look(), (1, News::Nothing));
    fs::write(&world.file, "three").expect("written");
    assert_eq!(world.look(), (1, refused("5 bytes are no number")), "another mistake");

    fs::remove_file(&world.file).expect("removed");
    let (config, news) = world.look();
    assert_eq!(config, 1);
    assert!(matches!(&news, News::Refused(error) if error.contains("no such file")), "{news:?}");
    assert_eq!(world.look(), (1, News::Nothing));

    fs::write(&world.file, "1").expect("written");
    assert_eq!(world.look(), (1, News::Nothing), "as it was before");
    fs::write(&world.file, "one").expect("written");
    assert_eq!(world.look(), (1, refused("3 bytes are no number")), "broken again");
}

#[tokio::test]
async fn a_handshake_gets_what_the_files_hold_at_that_moment() {
    let world = World::new("1");
    for number in 2..20 {
        fs::write(&world.file, number.to_string()).expect("written");
        assert_eq!(*world.following.current().await, number, "also within a tick of the clock");
    }
}
