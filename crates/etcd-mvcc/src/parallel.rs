//! Long reads on more than one processor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, available_parallelism, scope};

use crate::Error;

/// Threads of the whole process that help with reads just now.
static HELPERS: AtomicUsize = AtomicUsize::new(0);

/// Reads parts on this thread and on as many others as there are more processors, but only as far
/// as these do not help with another read: so many long reads at once take hardly more threads than
/// there are reads. What was read comes in any order.
pub(crate) fn read_parts<P: Sync, T: Send>(
    parts: &[P],
    read: impl Fn(&P) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            match read(part) {
                Ok(result) => done.push(result),
                Err(error) => {
                    // The others need not go on.
                    next.store(parts.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(done)
    };
    scope(|scope| {
        let start = |_| {
            let helper = Helper::free()?;
            let helped = move || {
                let _helper = helper;
                work()
            };
            // Without another thread it only takes longer.
            Builder::new().name("long-read".to_owned()).spawn_scoped(scope, helped).ok()
        };
        let helpers: Vec<_> = (1..parts.len()).map_while(start).collect();
        let mut done = work()?;
        for helper in helpers {
            done.append(&mut helper.join().expect("a read does not panic")?);
        }
        Ok(done)
    })
}

/// The right to help on a thread.
struct Helper;

impl Helper {
    /// `None` when every other processor has a helper.
    fn free() -> Option<Helper> {
        let most = available_parallelism().map_or(0, |all| all.get() - 1);
        let more = |helpers: usize| (helpers < most).then_some(helpers + 1);
        HELPERS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Helper)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        HELPERS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_read_once_however_many_read_at_once() {
        let parts: Vec<usize> = (0..1000).collect();
        scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut read = read_parts(&parts, |part| Ok(*part)).unwrap();
                    read.sort_unstable();
                    assert_eq!(read, parts);
                });
            }
        });
        assert!(read_parts(&[] as &[usize], |part| Ok(*part)).unwrap().is_empty());
    }

    #[test]
    fn there_are_no_more_helpers_than_further_processors() {
        let most = available_parallelism().unwrap().get() - 1;
        let helpers: Vec<_> = std::iter::from_fn(Helper::free).take(most + 1).collect();
        assert!(helpers.len() <= most);
    }

    #[test]
    fn an_error_ends_the_read() {
        let parts: Vec<usize> = (0..1000).collect();
        for bad in [0, 1, 999] {
            let read = |part: &usize| if *part == bad { Err(Error::Compacted) } else { Ok(()) };
            assert!(matches!(read_parts(&parts, read), Err(Error::Compacted)));
        }
    }
}
