//! Curves as pictures: cost over what is stored, latency over what is offered, a soak over time.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::outcome::{Chart, Sample};
use crate::recording::file_name;
use crate::results::Results;

const SIZE: (u32, u32) = (900, 500);
/// Colours of curves, one after the other.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 90, 181),
    RGBColor(220, 50, 32),
    RGBColor(0, 135, 90),
    RGBColor(180, 110, 0),
    RGBColor(110, 60, 160),
    RGBColor(90, 90, 90),
    RGBColor(0, 150, 170),
    RGBColor(200, 60, 130),
];

/// A figure, and what stands at its axis.
type Axis = (&'static str, &'static str);

/// What is drawn over the keys that are stored, and over what is offered.
const OVER_KEYS: &[Axis] = &[
    ("requests/s", "requests a second"),
    ("server CPU s/1000", "server's CPU seconds for 1000 requests"),
    ("p50 ms", "median latency, ms"),
];
const OVER_OFFERED: &[Axis] =
    &[("p50 ms", "median latency, ms"), ("p99 ms", "99th percentile of latency, ms")];

/// One curve.
struct Curve {
    label: String,
    points: Vec<(f64, f64)>,
}

#[derive(Clone, Copy)]
enum Scale {
    Linear,
    /// Upwards each step is ten times the one before: latencies, which explode.
    DecadesUp,
    /// And across as well: what is flat there does not grow with what is stored.
    Decades,
}

/// A picture without its curves.
struct Picture<'p> {
    title: &'p str,
    across: &'p str,
    up: &'p str,
    scale: Scale,
}

/// Draws all that there is to draw into the folder.
pub(crate) fn draw(folder: &Path, results: &Results) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let charts = [
        (Chart::Growth, "stored keys", OVER_KEYS, Scale::Decades),
        (Chart::Offered, "requests offered a second", OVER_OFFERED, Scale::DecadesUp),
    ];
    for (chart, across, figures, scale) in charts {
        for (figure, up) in figures {
            let title = format!("{figure} over {across}");
            let picture = Picture { title: &title, across, up, scale };
            save(folder, &picture, &curves(results, chart, figure))?;
        }
    }
    for (title, up, number) in SOAK {
        let picture = Picture { title, across: "seconds", up, scale: Scale::Linear };
        save(folder, &picture, &over_time(results, number))?;
    }
    Ok(())
}

/// The curves of a figure, for each load and each server.
fn curves(results: &Results, chart: Chart, figure: &str) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for (place, program) in results.programs.iter().enumerate() {
        for (load, point) in results.points().filter(|(_, point)| point.chart == chart) {
            let across = results.spread(place, load, chart.place());
            let Some((across, up)) = across.zip(results.spread(place, load, figure)) else {
                continue;
            };
            let label = format!("{}, {}", point.curve, program.label);
            let at = curves.iter().position(|curve| curve.label == label).unwrap_or_else(|| {
                curves.push(Curve { label, points: Vec::new() });
                curves.len() - 1
            });
            curves[at].points.push((across.median, up.median));
        }
    }
    curves
}

/// A number of a sample, with the sample before.
type Number = fn(&Sample, &Sample) -> f64;

const SOAK: [(&str, &str, Number); 3] = [
    ("soak: answers", "answers a second", |before, now| {
        (now.answers - before.answers) as f64 / (now.seconds - before.seconds)
    }),
    ("soak: memory", "MiB, of the member that has most", |_, now| most(&now.resident_bytes)),
    ("soak: disk", "MiB, of the member that has most", |_, now| most(&now.disk_bytes)),
];

fn most(bytes: &[u64]) -> f64 {
    bytes.iter().copied().max().unwrap_or(0) as f64 / f64::from(1 << 20)
}

fn over_time(results: &Results, number: Number) -> Vec<Curve> {
    let seen = results.timelines().iter().filter_map(|seen| {
        let samples = &seen.timeline.samples;
        let pairs = samples.iter().zip(samples.get(1..)?);
        let points = pairs.map(|(before, now)| (now.seconds, number(before, now)));
        let label = results.programs.get(seen.program)?.label.clone();
        Some(Curve { label, points: points.collect() })
    });
    seen.collect()
}

/// Writes the picture, unless there is nothing to see.
fn save(folder: &Path, picture: &Picture<'_>, curves: &[Curve]) -> Result<()> {
    if curves.iter().all(|curve| curve.points.is_empty()) {
        return Ok(());
    }
    let path = folder.join(format!("{}.svg", file_name(picture.title)));
    let area = SVGBackend::new(&path, SIZE).into_drawing_area();
    // The library's own error holds what is being drawn.
    render(&area, picture, curves).map_err(|error| anyhow!("drawing {}: {error}", path.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn render<'a>(
    area: &Area<'a>,
    picture: &Picture<'_>,
    curves: &[Curve],
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>> {
    area.fill(&WHITE)?;
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let right = points().map(|(across, _)| across).fold(0.0, f64::max);
    let left = points().map(|(across, _)| across).fold(right, f64::min);
    let top = points().map(|(_, up)| up).fold(0.0, f64::max) * 1.1;
    // What is nothing has no place among decades.
    let lowest = points().map(|(_, up)| up).filter(|up| *up > 0.0).fold(top, f64::min) / 1.1;
    let mut builder = ChartBuilder::on(area);
    builder.caption(picture.title, ("sans-serif", 20)).margin(12);
    builder.x_label_area_size(45).y_label_area_size(70);
    // The scales make charts of different types, so that what follows stands in a macro.
    macro_rules! draw_on {
        ($chart:expr) => {{
            let mut chart = $chart;
            chart
                .configure_mesh()
                .x_desc(picture.across)
                .y_desc(picture.up)
                .x_label_formatter(&|number| short(*number))
                .y_label_formatter(&|number| short(*number))
                .light_line_style(WHITE)
                .draw()?;
            for (curve, colour) in curves.iter().zip(COLOURS.into_iter().cycle()) {
                let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2));
                chart.draw_series(line)?.label(&curve.label).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            }
            chart
                .configure_series_labels()
                .background_style(WHITE.mix(0.8))
                .border_style(BLACK.mix(0.3))
                .draw()?;
        }};
    }
    match picture.scale {
        Scale::Linear => draw_on!(builder.build_cartesian_2d(0.0..right, 0.0..top)?),
        Scale::DecadesUp => {
            draw_on!(builder.build_cartesian_2d(0.0..right, (lowest..top).log_scale())?);
        }
        Scale::Decades => {
            let across = (left..right * 1.01).log_scale();
            draw_on!(builder.build_cartesian_2d(across, (lowest..top).log_scale())?);
        }
    }
    area.present()
}

/// A number at an axis.
fn short(number: f64) -> String {
    // What is added up step by step is not exactly what it should be.
    let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
    match number {
        1e6.. => format!("{} M", rounded(number / 1e6)),
        1e4.. => format!("{} k", rounded(number / 1e3)),
        _ => rounded(number).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;
    use crate::outcome::{Measurement, Outcome, Point};
    use crate::results::Described;

    fn grown() -> Results {
        let label = "this".to_owned();
        let mut results = Results::of(vec![Described { label, ..Described::default() }]);
        for (load, keys, rate) in [("put at 10 k", 1e4, 50.0), ("put at 1 M", 1e6, 40.0)] {
            let mut figures = Figures::default();
            figures.set("keys", keys);
            figures.set("requests/s", rate);
            let point = Some(Point { chart: Chart::Growth, curve: "put".to_owned() });
            let measurement = Measurement { load: load.to_owned(), point, figures };
            results.add(0, Outcome { measurements: vec![measurement], timeline: None });
        }
        results
    }

    #[test]
    fn points_of_a_load_make_one_curve() {
        let curves = curves(&grown(), Chart::Growth, "requests/s");
        assert_eq!(curves.len(), 1);
        assert_eq!(curves[0].label, "put, this");
        assert_eq!(curves[0].points, [(1e4, 50.0), (1e6, 40.0)]);
    }

    #[test]
    fn numbers_at_an_axis_are_short() {
        let texts = [0.05, 3.0, 9000.0, 10_000.0, 250_000.0, 1e7].map(short);
        assert_eq!(texts, ["0.05", "3", "9000", "10 k", "250 k", "10 M"]);
    }

    #[test]
    fn only_what_was_measured_is_drawn() -> Result<()> {
        let folder = tempfile::tempdir()?;
        draw(folder.path(), &grown())?;
        let drawn: Vec<_> = fs::read_dir(folder.path())?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        assert_eq!(drawn, ["requests-s-over-stored-keys.svg"]);
        let picture = fs::read_to_string(folder.path().join(&drawn[0]))?;
        assert!(picture.contains("<svg") && picture.contains("put, this"));
        Ok(())
    }
}
