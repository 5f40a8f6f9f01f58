//! Results as tables for a person.

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::figures::Spread;
use crate::results::Results;
use crate::targets::TARGETS;

/// Figures of each load in the table of everything.
const SHOWN: [&str; 8] = [
    "requests/s",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "p99.9 ms",
    "max ms",
    "server CPU s/1000",
    "client CPU s/1000",
];

/// The table that decides: each target with the medians, their ratio and its spread.
pub(crate) fn targets(results: &Results) -> Table {
    let mut table = new();
    let mut header = vec!["load".to_owned(), "figure".to_owned()];
    header.extend(results.programs.iter().cloned());
    header.extend(["ratio", "from", "to", "wanted", ""].map(str::to_owned));
    table.set_header(header);
    for target in TARGETS {
        let Some(own) = results.spread(0, target.load, target.figure) else { continue };
        let ratio = results.ratio(target.load, target.figure);
        let holds = target.wanted.holds(ratio.map(|ratio| ratio.median), own.median);
        let mut row = vec![Cell::new(target.load), Cell::new(target.figure)];
        for program in 0..results.programs.len() {
            row.push(number(results.spread(program, target.load, target.figure)));
        }
        row.push(number(ratio));
        row.push(value(ratio.map(|ratio| ratio.least)));
        row.push(value(ratio.map(|ratio| ratio.greatest)));
        row.push(Cell::new(target.wanted));
        row.push(Cell::new(match holds {
            Some(true) => "holds",
            Some(false) => "misses",
            None => "",
        }));
        table.add_row(row);
    }
    table
}

/// The medians of all loads.
pub(crate) fn everything(results: &Results) -> Table {
    let mut table = new();
    let mut header = vec!["load", "server"];
    header.extend(SHOWN);
    table.set_header(header);
    for load in results.loads() {
        for (program, label) in results.programs.iter().enumerate() {
            let figures = SHOWN.map(|figure| results.spread(program, load, figure));
            if figures.iter().all(Option::is_none) {
                continue;
            }
            let mut row = vec![Cell::new(load), Cell::new(label)];
            row.extend(figures.into_iter().map(number));
            table.add_row(row);
        }
    }
    table
}

fn new() -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table
}

fn number(spread: Option<Spread>) -> Cell {
    value(spread.map(|spread| spread.median))
}

/// Three digits that count, and no more than are there.
fn value(value: Option<f64>) -> Cell {
    let text = match value {
        None => String::new(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) if value.abs() >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    };
    Cell::new(text).set_alignment(CellAlignment::Right)
}
