//! What one feed says, step by step.

use std::sync::Arc;

use bytes::Bytes;
use etcd_mvcc::{CompactorOptions, KeyRange};
use futures_util::FutureExt as _;

use crate::bench::{Bench, interest, next};
use crate::inbox::{QUEUE_BYTES, QUEUE_WORDS};
use crate::{Error, Feed, Filter, Interest};

/// Asserts that the feed has nothing to say now.
fn assert_silent(feed: &mut Feed) {
    if let Some(told) = feed.next().now_or_never() {
        panic!("{told:?}");
    }
}

/// The values before the changes of the feed's next word.
async fn previous(feed: &mut Feed, bench: &Bench) -> Vec<Option<Bytes>> {
    let crate::Told::Changed(changed) = feed.next().await.expect("a readable store") else {
        panic!("there are changes");
    };
    let previous = changed.iter().map(|change| change.previous(&bench.mvcc));
    previous.map(|kv| kv.map(|kv| kv.value)).collect()
}

#[tokio::test]
async fn changes_come_one_revision_at_a_time_as_they_happen() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("b", "", 0)).expect("a watcher");
    feed.watch(0, interest("a", "c", 0)).expect("a watcher");
    assert_silent(&mut feed);
    bench.put("b", "1");
    bench.put("c", "1");
    bench.delete("a");
    let steps = vec![("a".into(), Some("1".into())), ("b".into(), None), ("z".into(), None)];
    bench.batch(vec![steps, vec![("a".into(), None)]], |_| {});
    let mut told = [next(&mut feed).await, next(&mut feed).await];
    told.sort();
    assert_eq!(told, ["0@2: 2:b+", "1@2: 2:b+"]);
    let mut told = [next(&mut feed).await, next(&mut feed).await];
    told.sort();
    assert_eq!(told, ["0@4: 4:b-", "1@4: 4:a+ 4:b-"]);
    assert_eq!(next(&mut feed).await, "1@5: 5:a-");
    assert_silent(&mut feed);
}

#[tokio::test]
async fn the_past_comes_at_once_and_then_the_present() {
    let mut bench = Bench::new();
    for value in ["1", "2", "3"] {
        bench.put("a", value);
    }
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("a", "", 3)).expect("a watcher");
    assert_eq!(next(&mut feed).await, "0@4: 3:a+ 4:a+");
    bench.put("a", "4");
    assert_eq!(next(&mut feed).await, "0@5: 5:a+");
    // What the hub still has needs no storage.
    bench.put("a", "5");
    bench.put("b", "5");
    feed.watch(0, interest("a", "c", 5)).expect("a watcher");
    assert_eq!(
        feed.next().now_or_never().map(|told| crate::bench::show(told.expect("told"))),
        Some("1@7: 5:a+ 6:a+ 7:b+".to_owned())
    );
    assert_eq!(next(&mut feed).await, "0@6: 6:a+");
    assert_silent(&mut feed);
}

#[tokio::test]
async fn a_long_past_comes_in_stretches_of_a_thousand_revisions() {
    let mut bench = Bench::new();
    let put = |number: u64| vec![(Bytes::from(format!("k{number}")), Some(Bytes::new()))];
    bench.batch((0..2500).map(put).collect(), |_| {});
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("k", "l", 1)).expect("a watcher");
    let mut counts = Vec::new();
    for _ in 0..3 {
        let crate::Told::Changed(changed) = feed.next().await.expect("told") else { panic!() };
        assert_eq!(changed.revision, 2501);
        counts.push(changed.count());
    }
    assert_eq!(counts, [1000, 1000, 500]);
    assert_silent(&mut feed);
}

#[tokio::test]
async fn a_start_in_the_future_is_waited_for() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("a", "", 4)).expect("a watcher");
    feed.request_progress();
    for value in ["2", "3", "4"] {
        bench.put("a", value);
    }
    assert_eq!(next(&mut feed).await, "0@4: 4:a+");
    feed.request_progress();
    assert_eq!(next(&mut feed).await, "all progress 4");
    assert_silent(&mut feed);
}

#[tokio::test]
async fn whoever_does_not_read_falls_behind_and_misses_nothing() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("a", "", 0)).expect("a watcher");
    let last = (0..10 * QUEUE_WORDS).map(|_| bench.put("a", "1")).last().expect("a put");
    assert!(bench.hub.shared.lock().index.drain().is_empty(), "the hub has given up on it");
    feed.request_progress();
    for revision in 2..2 + QUEUE_WORDS {
        assert_eq!(next(&mut feed).await, format!("0@{revision}: {revision}:a+"));
    }
    let rest: String =
        (2 + QUEUE_WORDS as i64..=last).map(|r| format!(" {r}:a+")).take(1000).collect();
    assert_eq!(next(&mut feed).await, format!("0@{last}:{rest}"));
    if 9 * QUEUE_WORDS > 1000 {
        next(&mut feed).await;
    }
    assert_silent(&mut feed);
    bench.put("a", "2");
    assert_eq!(next(&mut feed).await, format!("0@{0}: {0}:a+", last + 1));
}

#[tokio::test]
async fn a_queue_is_bounded_in_bytes_too() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("a", "", 0)).expect("a watcher");
    let value = Bytes::from(vec![7; QUEUE_BYTES / 2]);
    for _ in 0..6 {
        bench.put("a", value.clone());
    }
    for expected in ["0@2: 2:a+", "0@3: 3:a+"] {
        assert_eq!(next(&mut feed).await, expected);
    }
    for expected in ["0@7: 4:a+ 5:a+", "0@7: 6:a+ 7:a+"] {
        assert_eq!(next(&mut feed).await, expected);
    }
    assert_silent(&mut feed);
}

#[tokio::test]
async fn what_is_compacted_ends_a_watcher_but_keeps_its_id() {
    let mut bench = Bench::new();
    for value in ["1", "2", "3"] {
        bench.put("a", value);
    }
    bench.compact(4);
    let mut feed = bench.hub.feed();
    feed.watch(5, interest("a", "", 3)).expect("a watcher");
    feed.watch(0, interest("a", "", 4)).expect("a watcher");
    assert_eq!(next(&mut feed).await, "5 compacted 4");
    assert_eq!(next(&mut feed).await, "0@4: 4:a+");
    bench.put("a", "4");
    assert_eq!(next(&mut feed).await, "0@5: 5:a+");
    let again = feed.watch(5, interest("a", "", 0));
    assert!(matches!(again, Err(Error::DuplicateId)));
    feed.request_progress();
    assert_silent(&mut feed);
    assert_eq!(feed.cancel(5), Some(5));
    feed.request_progress();
    assert_eq!(next(&mut feed).await, "all progress 5");
}

#[tokio::test]
async fn a_watcher_that_waits_too_long_is_compacted_too() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("a", "", 0)).expect("a watcher");
    let last = (0..2 * QUEUE_WORDS).map(|_| bench.put("a", "1")).last().expect("a put");
    bench.compact(last);
    for _ in 0..QUEUE_WORDS {
        assert!(next(&mut feed).await.starts_with("0@"));
    }
    assert_eq!(next(&mut feed).await, format!("0 compacted {last}"));
    assert_silent(&mut feed);
}

#[tokio::test]
async fn ids_are_chosen_from_zero_on_around_those_in_use() {
    let bench = Bench::new();
    let mut feed = bench.hub.feed();
    let mut watch = |id| feed.watch(id, interest("a", "", 0)).map(|begun| begun.id);
    assert_eq!(watch(0).expect("free"), 0);
    assert_eq!(watch(2).expect("free"), 2);
    assert_eq!(watch(-7).expect("free"), -7);
    assert_eq!(watch(0).expect("free"), 1);
    assert_eq!(watch(0).expect("free"), 3);
    assert!(matches!(watch(2), Err(Error::DuplicateId)));
    assert_eq!(feed.cancel(1), Some(1));
    assert_eq!(feed.cancel(1), None);
    assert_eq!(feed.watch(0, interest("a", "", 0)).expect("free").id, 4);
    for end in ["a", "A"] {
        let empty = feed.watch(9, interest("a", end, 0));
        assert!(matches!(empty, Err(Error::EmptyRange)));
    }
    assert!(feed.watch(9, interest("a", "\0", 0)).is_ok());
}

#[tokio::test]
async fn a_cancelled_watcher_says_nothing_more() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    feed.watch(7, interest("a", "", 0)).expect("a watcher");
    feed.watch(8, interest("a", "", 1)).expect("a watcher");
    bench.put("a", "1");
    assert_eq!(feed.cancel(7), Some(2));
    feed.watch(7, interest("a", "", 0)).expect("the id is free again");
    assert_eq!(next(&mut feed).await, "8@2: 2:a+");
    assert_silent(&mut feed);
    assert_eq!(feed.cancel(8), Some(2));
    bench.put("a", "2");
    assert_eq!(next(&mut feed).await, "7@3: 3:a+");
    assert_silent(&mut feed);
}

#[tokio::test]
async fn filters_leave_out_kinds_of_changes() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    for (no_puts, no_deletes) in [(true, false), (false, true), (true, true)] {
        let filter = Filter { no_puts, no_deletes };
        feed.watch(0, Interest { filter, ..interest("a", "", 0) }).expect("a watcher");
    }
    bench.put("a", "1");
    assert_eq!(next(&mut feed).await, "1@2: 2:a+");
    bench.delete("a");
    assert_eq!(next(&mut feed).await, "0@3: 3:a-");
    feed.request_progress();
    assert_eq!(next(&mut feed).await, "all progress 3");
}

#[tokio::test]
async fn progress_is_told_only_of_watchers_that_have_caught_up() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    feed.request_progress();
    assert_silent(&mut feed);
    bench.put("a", "1");
    feed.watch(0, interest("a", "", 0)).expect("a watcher");
    feed.watch(0, interest("a", "", 1)).expect("a watcher");
    feed.request_progress();
    feed.request_progress_of(1);
    feed.request_progress_of(0);
    feed.request_progress_of(9);
    let mut told = [next(&mut feed).await, next(&mut feed).await];
    told.sort();
    assert_eq!(told, ["0 progress 2", "1@2: 2:a+"]);
    assert_silent(&mut feed);
    // It comes behind what waits, and not for a watcher that was not there.
    bench.put("a", "2");
    feed.request_progress();
    assert_eq!(feed.cancel(1), Some(3));
    assert_eq!(next(&mut feed).await, "0@3: 3:a+");
    feed.watch(0, interest("a", "", 2)).expect("a watcher");
    assert_eq!(next(&mut feed).await, "2@3: 2:a+ 3:a+");
    assert_silent(&mut feed);
    feed.request_progress();
    assert_eq!(next(&mut feed).await, "all progress 3");
}

#[tokio::test]
async fn news_that_nobody_wanted_are_found_in_the_past() {
    let mut bench = Bench::new();
    let news = bench.hub.news();
    assert!(!news.is_wanted());
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("a", "", 0)).expect("a watcher");
    feed.watch(0, interest("a", "", 4)).expect("a watcher");
    // A batch that began before the feed was there.
    let hub = std::mem::replace(&mut bench.hub, crate::Hub::new(bench.mvcc.clone()));
    bench.put("a", "1");
    bench.put("a", "2");
    hub.publish(news, 3);
    bench.hub = hub;
    assert_eq!(next(&mut feed).await, "0@3: 2:a+ 3:a+");
    bench.put("a", "3");
    let mut told = [next(&mut feed).await, next(&mut feed).await];
    told.sort();
    assert_eq!(told, ["0@4: 4:a+", "1@4: 4:a+"]);
}

#[tokio::test]
async fn after_a_snapshot_watchers_go_on_where_they_were() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("a", "", 0)).expect("a watcher");
    bench.put("a", "1");
    let hub = std::mem::replace(&mut bench.hub, crate::Hub::new(bench.mvcc.clone()));
    bench.put("a", "2");
    bench.put("b", "2");
    hub.reload(4);
    bench.hub = hub;
    assert_eq!(next(&mut feed).await, "0@2: 2:a+");
    assert_eq!(next(&mut feed).await, "0@4: 3:a+");
    bench.put("a", "3");
    assert_eq!(next(&mut feed).await, "0@5: 5:a+");
}

#[tokio::test]
async fn previous_values_are_those_before_the_revision() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    feed.watch(0, interest("a", "c", 0)).expect("a watcher");
    bench.put("a", "1");
    bench.put("a", vec![7; 100_000]);
    bench.put("a", "3");
    bench.delete("a");
    bench.put("a", "4");
    assert_eq!(previous(&mut feed, &bench).await, [None]);
    assert_eq!(previous(&mut feed, &bench).await, [Some("1".into())]);
    assert_eq!(previous(&mut feed, &bench).await, [Some(vec![7; 100_000].into())]);
    assert_eq!(previous(&mut feed, &bench).await, [Some("3".into())]);
    assert_eq!(previous(&mut feed, &bench).await, [None]);
    bench.put("a", "5");
    bench.compact(7);
    assert_eq!(previous(&mut feed, &bench).await, [None]);
    bench.put("a", "6");
    assert_eq!(previous(&mut feed, &bench).await, [Some("5".into())]);
    bench.compact(8);
    let mut later = bench.hub.feed();
    later.watch(0, interest("a", "", 8)).expect("a watcher");
    assert_eq!(previous(&mut later, &bench).await, [None]);
}

#[tokio::test]
async fn of_the_compact_revision_only_what_is_left_is_told() {
    let mut bench = Bench::new();
    let mut present = bench.hub.feed();
    present.watch(0, interest("a", "", 0)).expect("a watcher");
    bench.batch(vec![vec![("a".into(), Some("1".into())), ("a".into(), None)]], |_| {});
    bench.put("a", "2");
    assert_eq!(next(&mut present).await, "0@2: 2:a+ 2:a-");
    let compactor = bench.mvcc.compactor(CompactorOptions::default());
    std::thread::spawn(move || compactor.run());
    bench.compact(2);
    let (done, is_done) = tokio::sync::oneshot::channel();
    bench.mvcc.on_compacted(2, Box::new(|| done.send(()).expect("somebody waits")));
    is_done.await.expect("the compaction ends");
    let mut past = bench.hub.feed();
    past.watch(0, interest("a", "", 2)).expect("a watcher");
    assert_eq!(next(&mut past).await, "0@3: 2:a- 3:a+");
    bench.put("a", "3");
    assert_eq!(next(&mut past).await, "0@4: 4:a+");
}

#[tokio::test]
async fn a_dropped_feed_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let mut feed = bench.hub.feed();
    let range = KeyRange::One("a".into());
    feed.watch(0, Interest { range, ..interest("a", "", 0) }).expect("a watcher");
    bench.put("a", "1");
    let inbox = Arc::downgrade(&feed.inbox);
    drop(feed);
    assert!(inbox.upgrade().is_none());
    assert!(bench.hub.shared.lock().index.drain().is_empty());
    assert!(!bench.hub.news().is_wanted());
    bench.put("a", "2");
    assert!(bench.hub.shared.lock().tail.first().is_none(), "nothing is kept for nobody");
}
