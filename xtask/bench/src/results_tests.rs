//! What several runs say together, and whether it survives a file.

use super::*;

pub(crate) fn outcome(load: &'static str, rate: f64) -> Outcome {
    let mut figures = Figures::default();
    figures.set("requests/s", rate);
    Outcome::from(vec![(load, figures)])
}

pub(crate) fn results(runs: &[(f64, f64)]) -> Results {
    let described = |label: &str| Described { label: label.to_owned(), ..Described::default() };
    let mut results = Results::of(vec![described("this"), described("other")]);
    for (ours, theirs) in runs {
        // Which of the two goes first changes from run to run.
        results.add(1, outcome("put", *theirs));
        results.add(0, outcome("put", *ours));
    }
    results
}

#[test]
fn runs_are_paired_in_their_order() {
    let ratio = results(&[(20.0, 10.0), (60.0, 20.0), (40.0, 40.0)]).ratio("put", "requests/s");
    assert_eq!(ratio, Some(Ratio { of_medians: 2.0, from: 1.0, to: 3.0 }));
}

#[test]
fn a_load_that_only_one_server_has_gives_no_ratio() {
    let mut results = results(&[]);
    results.add(0, outcome("list, streamed", 5.0));
    assert_eq!(results.ratio("list, streamed", "requests/s"), None);
    let spread = results.spread(0, "list, streamed", "requests/s");
    assert_eq!(spread.map(|spread| spread.median), Some(5.0));
    assert_eq!(results.spread(1, "list, streamed", "requests/s"), None);
}

#[test]
fn loads_keep_their_order() {
    let mut results = results(&[(1.0, 1.0)]);
    results.add(0, outcome("get", 1.0));
    results.add(0, outcome("put", 1.0));
    assert_eq!(results.loads().collect::<Vec<_>>(), ["put", "get"]);
}

#[test]
fn a_file_gives_back_what_was_written() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("results.json");
    let written = results(&[(20.0, 10.0)]);
    written.write(&path)?;
    let read = Results::read(&path)?;
    assert_eq!(read.programs, written.programs);
    assert_eq!(read.ratio("put", "requests/s"), written.ratio("put", "requests/s"));
    Ok(())
}
