//! Results as tables for a person.

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::baseline::{Change, changes};
use crate::figures::{Ratio, Spread};
use crate::results::Results;
use crate::targets::{TARGETS, decides};

/// Figures of each load in the table of everything, and what its columns call them.
const SHOWN: [(&str, &str); 11] = [
    ("requests/s", "requests/s"),
    ("p50 ms", "p50 ms"),
    ("p90 ms", "p90"),
    ("p99 ms", "p99"),
    ("p99.9 ms", "p99.9"),
    ("max ms", "max"),
    ("server CPU s/1000", "servers' CPU s/1000"),
    ("client CPU s/1000", "client's"),
    ("resident MiB", "resident MiB"),
    ("written KiB/1000", "written KiB/1000"),
    ("fsyncs/1000", "fsyncs/1000"),
];

/// The table that decides: each target with the medians, their ratio and its spread.
pub(crate) fn targets(results: &Results) -> Option<Table> {
    let mut table = new();
    let mut header = vec!["load", "figure"];
    header.extend(labels(results));
    header.extend(["ratio", "from", "to", "wanted", ""]);
    table.set_header(header);
    for target in TARGETS {
        let Some(own) = results.spread(0, target.load, target.figure) else { continue };
        let ratio = results.ratio(target.load, target.figure);
        let holds = target.wanted.holds(ratio.map(|ratio| ratio.of_medians), own.median);
        let mut row = vec![Cell::new(target.load), Cell::new(target.figure)];
        for program in 0..results.programs.len() {
            row.push(median(results.spread(program, target.load, target.figure)));
        }
        row.extend([
            value(ratio.map(|ratio| ratio.of_medians)),
            value(ratio.map(|ratio| ratio.from)),
            value(ratio.map(|ratio| ratio.to)),
        ]);
        row.push(Cell::new(target.wanted));
        row.push(Cell::new(match holds {
            Some(true) => "holds",
            Some(false) => "misses",
            None => "",
        }));
        table.add_row(row);
    }
    (!table.is_empty()).then_some(table)
}

/// The medians of all loads, and what is between two servers: the ratio of medians, with the least
/// and the greatest ratio of a pair of runs.
pub(crate) fn everything(results: &Results) -> Table {
    let mut table = new();
    let columns: Vec<_> = SHOWN
        .into_iter()
        .filter(|(figure, _)| results.loads().any(|load| has(results, load, figure)))
        .collect();
    let names = columns.iter().map(|(_, column)| *column);
    table.set_header(["load", "server"].into_iter().chain(names));
    for load in results.loads() {
        if !columns.iter().any(|(figure, _)| has(results, load, figure)) {
            continue;
        }
        for (program, label) in labels(results).enumerate() {
            let spreads = columns.iter().map(|(figure, _)| results.spread(program, load, figure));
            add(&mut table, load, label, spreads.map(median));
        }
        let ratios: Vec<_> =
            columns.iter().map(|(figure, _)| results.ratio(load, figure)).collect();
        if ratios.iter().any(Option::is_some) {
            add(&mut table, load, "ratio", ratios.into_iter().map(ratio));
        }
    }
    table
}

/// The figures that are only of some loads, one in a line.
pub(crate) fn others(results: &Results) -> Option<Table> {
    let mut table = new();
    let has_other = results.programs.len() > 1;
    let header = ["load", "figure"].into_iter().chain(labels(results));
    table.set_header(header.chain(has_other.then_some("ratio")));
    for load in results.loads() {
        for figure in
            results.figures(load).into_iter().filter(|figure| is_news(results, load, figure))
        {
            let mut row = vec![Cell::new(load), Cell::new(figure)];
            let programs = 0..results.programs.len();
            row.extend(programs.map(|program| median(results.spread(program, load, figure))));
            row.extend(has_other.then(|| ratio(results.ratio(load, figure))));
            table.add_row(row);
        }
    }
    (!table.is_empty()).then_some(table)
}

/// Whether a figure says what neither the table of everything nor the load's name does.
fn is_news(results: &Results, load: &str, figure: &str) -> bool {
    let mut spreads =
        (0..results.programs.len()).filter_map(|program| results.spread(program, load, figure));
    match figure {
        "keys" | "rate" => false,
        "failed" => spreads.any(|spread| spread.greatest > 0.0),
        // Of most loads it is only another name of their requests.
        "moved/s" => decides(load, figure),
        _ => SHOWN.iter().all(|(shown, _)| *shown != figure),
    }
}

/// Earlier medians beside these.
pub(crate) fn baseline(then: &Results, now: &Results) -> Option<Table> {
    let mut table = new();
    table.set_header(["load", "figure", "server", "then", "now", "now / then"]);
    for change in changes(then, now) {
        let ratio = change.ratio();
        let Change { load, figure, server, then, now } = change;
        let mut row = vec![Cell::new(load), Cell::new(figure), Cell::new(server)];
        row.extend([Some(then), Some(now), ratio].map(value));
        table.add_row(row);
    }
    (!table.is_empty()).then_some(table)
}

fn new() -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table
}

fn add(table: &mut Table, load: &str, server: &str, cells: impl Iterator<Item = Cell>) {
    table.add_row([Cell::new(load), Cell::new(server)].into_iter().chain(cells));
}

fn labels(results: &Results) -> impl Iterator<Item = &str> {
    results.programs.iter().map(|program| program.label.as_str())
}

fn has(results: &Results, load: &str, figure: &str) -> bool {
    (0..results.programs.len()).any(|program| results.spread(program, load, figure).is_some())
}

fn median(spread: Option<Spread>) -> Cell {
    value(spread.map(|spread| spread.median))
}

fn ratio(ratio: Option<Ratio>) -> Cell {
    let text = ratio.map_or_else(String::new, |Ratio { of_medians, from, to }| {
        match (digits(of_medians), digits(from), digits(to)) {
            (median, from, to) if from == median && to == median => median,
            (median, from, to) => format!("{median} ({from}–{to})"),
        }
    });
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn value(value: Option<f64>) -> Cell {
    Cell::new(value.map_or_else(String::new, digits)).set_alignment(CellAlignment::Right)
}

/// Three digits that count, and no more than are there.
fn digits(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;
    use crate::outcome::Outcome;
    use crate::results::tests::results;

    fn cells(line: &str) -> Vec<&str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    }

    #[test]
    fn a_load_has_a_line_for_each_server_and_one_for_the_ratio() {
        let table = everything(&results(&[(20.0, 10.0), (60.0, 20.0), (40.0, 40.0)])).to_string();
        let lines: Vec<_> = table.lines().map(cells).collect();
        assert_eq!(lines[0], ["load", "server", "requests/s"]);
        assert_eq!(lines[2], ["put", "this", "40.0"]);
        assert_eq!(lines[3], ["put", "other", "20.0"]);
        assert_eq!(lines[4], ["put", "ratio", "2.00 (1.00–3.00)"]);
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn a_target_holds_by_the_ratio_of_medians() {
        let table = targets(&results(&[(30.0, 10.0)])).map(|table| table.to_string());
        let table = table.unwrap_or_default();
        let lines: Vec<_> = table.lines().map(cells).collect();
        let row = ["put", "requests/s", "30.0", "10.0", "3.00", "3.00", "3.00", "≥ 3 ×", "holds"];
        assert_eq!(lines[2], row);
    }

    #[test]
    fn only_figures_that_say_something_more_are_listed() {
        let mut results = results(&[]);
        let mut add = |load, figure, value| {
            let mut figures = Figures::default();
            figures.set(figure, value);
            results.add(0, Outcome::from(vec![(load, figures)]));
        };
        add("put", "moved/s", 1.0);
        add("put", "failed", 0.0);
        add("put", "rate", 5.0);
        add("get", "failed", 2.0);
        add("list", "moved/s", 3.0);
        let table = others(&results).map(|table| table.to_string()).unwrap_or_default();
        let lines: Vec<_> = table.lines().skip(2).map(cells).collect();
        assert_eq!(lines, [["get", "failed", "2.00", "", ""], ["list", "moved/s", "3.00", "", ""]]);
    }

    #[test]
    fn a_baseline_shows_what_became_of_it() {
        let table = baseline(&results(&[(20.0, 10.0)]), &results(&[(30.0, 10.0)]));
        let table = table.map(|table| table.to_string()).unwrap_or_default();
        let lines: Vec<_> = table.lines().map(cells).collect();
        assert_eq!(lines[2], ["put", "requests/s", "this", "20.0", "30.0", "1.50"]);
        assert_eq!(lines[3], ["put", "requests/s", "other", "10.0", "10.0", "1.00"]);
    }
}
