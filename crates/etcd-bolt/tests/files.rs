//! Files written and read back, files of etcd's, and files that are damaged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use etcd_bolt::{BoltReader, BoltWriter, Bucket, Content, Error, Layout, PAGE_SIZE};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;
type Buckets = BTreeMap<Vec<u8>, Pairs>;

fn fill(buckets: &Buckets, writer: &mut BoltWriter<'_>) -> Result<(), Error> {
    for (name, pairs) in buckets {
        writer.bucket(name)?;
        for (key, value) in pairs {
            writer.pair(key, value)?;
        }
    }
    Ok(())
}

fn write(buckets: &Buckets) -> Vec<u8> {
    let layout = Layout::measure(|writer| fill(buckets, writer)).expect("they are in order");
    let mut bytes = Vec::new();
    layout.write(&mut bytes, |writer| fill(buckets, writer)).expect("a vector takes all");
    assert_eq!(bytes.len() as u64, layout.byte_size());
    bytes
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("the disk has room");
    file.rewind().expect("it can seek");
    file
}

fn pairs(reader: &BoltReader, bucket: &Bucket) -> Result<Pairs, Error> {
    let pair = |entry: Result<etcd_bolt::Entry, Error>| {
        let entry = entry?;
        match entry.content {
            Content::Value(value) => Ok((entry.key.to_vec(), value.to_vec())),
            Content::Bucket(_) => panic!("no bucket was written inside another"),
        }
    };
    reader.entries(bucket).map(pair).collect()
}

fn read(reader: &BoltReader) -> Result<Buckets, Error> {
    let bucket = |entry: Result<etcd_bolt::Entry, Error>| {
        let entry = entry?;
        match entry.content {
            Content::Bucket(bucket) => Ok((entry.key.to_vec(), pairs(reader, &bucket)?)),
            Content::Value(_) => panic!("only buckets were written to the root"),
        }
    };
    reader.entries(&reader.root()).map(bucket).collect()
}

/// Goes through everything that can be reached, nested buckets too, and counts it.
fn walk(reader: &BoltReader, bucket: &Bucket, depth: usize) -> Result<usize, Error> {
    let mut entries = 0;
    for entry in reader.entries(bucket) {
        entries += 1;
        match entry?.content {
            Content::Bucket(nested) if depth < 3 => entries += walk(reader, &nested, depth + 1)?,
            Content::Bucket(_) | Content::Value(_) => {}
        }
    }
    Ok(entries)
}

/// Sizes around those at which pages fill, overflow, or stand inside their bucket.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        8 => 0..64_usize,
        2 => 900..1100_usize,
        2 => 3900..4200_usize,
        1 => 8000..20_000_usize,
    ];
    (length, any::<u8>()).prop_map(|(length, byte)| vec![byte; length])
}

fn buckets() -> impl Strategy<Value = Buckets> {
    let key = prop_oneof![4 => vec(any::<u8>(), 1..4), 1 => vec(any::<u8>(), 500..3000)];
    let pairs = prop_oneof![
        2 => btree_map(key.clone(), value(), 0..6),
        1 => btree_map(key, value(), 0..200),
    ];
    btree_map(vec(any::<u8>(), 1..6), pairs, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(buckets in buckets()) {
        let bytes = write(&buckets);
        prop_assert_eq!(bytes.len() % PAGE_SIZE, 0);
        let reader = BoltReader::of(file(&bytes)).expect("a whole file");
        prop_assert_eq!(reader.byte_size(), bytes.len() as u64);
        prop_assert_eq!(read(&reader).expect("a whole file"), buckets);
    }

    #[test]
    fn a_damaged_file_ends_in_an_error_or_an_answer(
        buckets in buckets(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = write(&buckets);
        // The metas have checksums of their own: damage behind them gets further.
        let start = 2 * PAGE_SIZE;
        for (at, byte) in changes {
            let at = start + at.index(bytes.len() - start);
            bytes[at] = byte;
        }
        if let Ok(reader) = BoltReader::of(file(&bytes)) {
            let _ = walk(&reader, &reader.root(), 0);
        }
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(BoltReader::of(file(&bytes)).is_err());
    }
}

/// A bucket of many pairs: its tree has three levels.
fn large() -> Buckets {
    let pair = |n: u32| (n.to_be_bytes().to_vec(), vec![b'v'; 300]);
    let pairs = (1..=20_000).map(pair).collect();
    [(b"key".to_vec(), pairs), (b"lease".to_vec(), Pairs::new())].into()
}

#[test]
fn a_tree_of_several_levels_is_read_back() {
    let reader = BoltReader::of(file(&write(&large()))).expect("a whole file");
    assert_eq!(read(&reader).expect("a whole file"), large());
}

#[test]
fn a_value_of_megabytes_overflows_its_page() {
    let pairs: Pairs = [(b"a".to_vec(), vec![1; 3 << 20]), (b"b".to_vec(), vec![2])].into();
    let buckets: Buckets = [(b"key".to_vec(), pairs)].into();
    let reader = BoltReader::of(file(&write(&buckets))).expect("a whole file");
    assert_eq!(read(&reader).expect("a whole file"), buckets);
}

#[test]
fn a_file_without_buckets_is_one() {
    let bytes = write(&Buckets::new());
    assert_eq!(bytes.len(), 3 * PAGE_SIZE);
    let reader = BoltReader::of(file(&bytes)).expect("a whole file");
    assert_eq!(reader.entries(&reader.root()).count(), 0);
}

#[test]
fn small_buckets_take_no_page_of_their_own() {
    let small: Pairs = [(b"k".to_vec(), vec![0; 900])].into();
    let bytes = write(&[(b"a".to_vec(), small.clone()), (b"b".to_vec(), small)].into());
    assert_eq!(bytes.len(), 3 * PAGE_SIZE, "metas and root");
}

#[test]
fn the_older_meta_stands_in_for_a_damaged_one() {
    let buckets = large();
    for lost in [0, PAGE_SIZE] {
        let mut bytes = write(&buckets);
        bytes[lost + 20] ^= 1;
        let reader = BoltReader::of(file(&bytes)).expect("the other meta is whole");
        assert_eq!(read(&reader).expect("a whole file"), buckets);
    }
    let mut bytes = write(&buckets);
    bytes[20] ^= 1;
    bytes[PAGE_SIZE + 20] ^= 1;
    assert!(matches!(BoltReader::of(file(&bytes)), Err(Error::Foreign(_))));
}

#[test]
fn a_digest_behind_the_file_is_left_alone() {
    let mut bytes = write(&large());
    bytes.extend_from_slice(&[7; 32]);
    let reader = BoltReader::of(file(&bytes)).expect("a whole file");
    assert_eq!(reader.byte_size() + 32, bytes.len() as u64);
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b""[..], b"short", &[0; 3 * PAGE_SIZE], &[0xff; 3 * PAGE_SIZE]] {
        assert!(matches!(BoltReader::of(file(bytes)), Err(Error::Foreign(_))));
    }
}

/// Writes a number over the file's bytes.
fn patch(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

#[test]
fn a_tree_that_leads_back_into_itself_is_damage() {
    let mut bytes = write(&large());
    let reader = BoltReader::of(file(&bytes)).expect("a whole file");
    let whole = walk(&reader, &reader.root(), 0).expect("a whole file");
    assert_eq!(whole, 20_002);
    // The root page is the last; its first element is the bucket, whose value begins with a page.
    let root = bytes.len() - PAGE_SIZE;
    let value = root + 16 + 2 * 16 + b"key".len();
    let top = u64::from_le_bytes(bytes[value..value + 8].try_into().expect("eight bytes"));
    let first_child = usize::try_from(top).expect("it is small") * PAGE_SIZE + 16 + 8;
    patch(&mut bytes, first_child, top);
    let reader = BoltReader::of(file(&bytes)).expect("its metas are whole");
    let outcome = walk(&reader, &reader.root(), 0);
    assert!(matches!(outcome, Err(Error::Damaged { .. })), "{outcome:?}");
}

#[test]
fn what_is_out_of_order_is_refused() {
    let measure = |fill: fn(&mut BoltWriter<'_>) -> Result<(), Error>| Layout::measure(fill);
    let twice = measure(|writer| {
        writer.bucket(b"a")?;
        writer.pair(b"k", b"")?;
        writer.pair(b"k", b"")
    });
    assert!(matches!(twice, Err(Error::Unordered)));
    let back = measure(|writer| {
        writer.bucket(b"b")?;
        writer.bucket(b"a")
    });
    assert!(matches!(back, Err(Error::Unordered)));
    let empty = measure(|writer| {
        writer.bucket(b"a")?;
        writer.pair(b"", b"")
    });
    assert!(matches!(empty, Err(Error::Unordered)));
    assert!(matches!(measure(|writer| writer.pair(b"k", b"")), Err(Error::NoBucket)));
}

#[test]
fn contents_that_differ_from_the_measured_ones_are_noticed() {
    let layout = Layout::measure(|writer| fill(&large(), writer)).expect("they are in order");
    let mut less = large();
    less.get_mut(&b"key"[..]).expect("it is there").retain(|key, _| key[3] != 0);
    let written = layout.write(&mut Vec::new(), |writer| fill(&less, writer));
    assert!(matches!(written, Err(Error::Changed)));
}

#[test]
fn a_sink_that_fails_ends_the_writing() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let layout = Layout::measure(|writer| fill(&large(), writer)).expect("they are in order");
    let written = layout.write(&mut Full, |writer| fill(&large(), writer));
    assert!(matches!(written, Err(Error::Io(_))));
}

#[test]
fn a_file_on_disk_is_opened_by_its_path() {
    let mut on_disk = tempfile::NamedTempFile::new().expect("a temporary file");
    on_disk.write_all(&write(&large())).expect("the disk has room");
    let reader = BoltReader::open(on_disk.path()).expect("a whole file");
    assert_eq!(read(&reader).expect("a whole file"), large());
    let mut bytes = Vec::new();
    on_disk.reopen().expect("it is there").read_to_end(&mut bytes).expect("readable");
    assert_eq!(bytes, write(&large()));
    assert!(matches!(BoltReader::open(&on_disk.path().join("none")), Err(Error::Io(_))));
}
