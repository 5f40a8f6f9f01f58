//! `/debug/requests`: the last requests of each family and those under way, for people.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use etcd_spans::{FamilyFacts, Note, Place, Recent, TraceFacts};

use crate::html::{Choice, Page, Text, link};

const PATH: &str = "/debug/requests";
/// The number of the place of those that are under way, as Go's pages have it.
const ACTIVE: i64 = -1;

pub(crate) async fn requests(
    State(recent): State<Recent>,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Response {
    let choice = choice.map(|Query(choice)| choice).unwrap_or_default();
    let mut page = Page::new(PATH);
    let families = recent.families();
    list(&mut page, &families);
    if let Some((name, number)) = choice.place()
        && let Some(family) = families.iter().find(|family| family.name == name)
    {
        show(&mut page, &recent, family, number, &choice);
    }
    page.finish()
}

/// The table of all families.
fn list(page: &mut Page, families: &[FamilyFacts]) {
    page.add(format_args!("<table>\n<tr><th>family</th><th>active</th>"));
    for place in Place::ALL_OVER {
        page.add(format_args!("<th>{}</th>", Text(label(place))));
    }
    page.add(format_args!("</tr>\n"));
    for family in families {
        page.add(format_args!("<tr><td>{}</td>", Text(&family.name)));
        let counts = std::iter::once(family.active).chain(family.over.iter().copied());
        for (number, count) in (ACTIVE..).zip(counts) {
            let link = link(PATH, &family.name, number, &count.to_string());
            page.add(format_args!("<td class=\"n\">{link}</td>"));
        }
        page.add(format_args!("</tr>\n"));
    }
    page.add(format_args!("</table>\n"));
    if families.is_empty() {
        page.add(format_args!("<p>No request yet.</p>\n"));
    }
}

/// One place of a family, or how long its requests took.
fn show(page: &mut Page, recent: &Recent, family: &FamilyFacts, number: i64, choice: &Choice) {
    let place = match usize::try_from(number).map(|number| Place::ALL_OVER.get(number)) {
        Ok(Some(place)) => *place,
        Ok(None) => return times(page, family),
        Err(_) => Place::Active,
    };
    let name = Text(&family.name);
    page.add(format_args!("<h2>{name}: {}</h2>\n", Text(label(place))));
    let (other, words) = match choice.wants_all() {
        true => ("", "short"),
        false => ("&amp;exp=1", "with all that happened"),
    };
    let times = link(PATH, &family.name, Place::ALL_OVER.len() as i64, "how long all took");
    page.add(format_args!(
        "<p><a href=\"{PATH}?fam={name}&amp;b={number}{other}\">{words}</a>, {times}</p>\n\
         <table>\n<tr><th>when</th><th>seconds</th><th>request</th></tr>\n"
    ));
    for request in recent.requests(&family.name, place) {
        row(page, &request, choice);
    }
    page.add(format_args!("</table>\n"));
}

fn row(page: &mut Page, request: &TraceFacts, choice: &Choice) {
    let at = humantime::format_rfc3339_micros(request.at);
    let end = match (&request.error, request.is_over) {
        (Some(error), _) => format!(" failed: {error}"),
        (None, true) => String::new(),
        (None, false) => " is under way".to_owned(),
    };
    page.add(format_args!(
        "<tr><td>{at}</td><td class=\"n\">{:.6}</td><td><b>{}</b>{}",
        request.took.as_secs_f64(),
        Text(&request.title),
        Text(end)
    ));
    if choice.wants_all() {
        notes(page, &request.notes);
        if request.left_off > 0 {
            page.add(format_args!("<p>and {} more</p>", request.left_off));
        }
    }
    page.add(format_args!("</td></tr>\n"));
}

/// What happened, each with the seconds since the beginning.
pub(crate) fn notes(page: &mut Page, notes: &[Note]) {
    page.add(format_args!("<pre>"));
    for note in notes {
        page.add(format_args!("{:12.6} {}\n", note.after.as_secs_f64(), Text(&note.text)));
    }
    page.add(format_args!("</pre>"));
}

/// How long all requests of a family took.
fn times(page: &mut Page, family: &FamilyFacts) {
    let times = &family.times;
    page.add(format_args!(
        "<h2>{}: how long all took</h2>\n<p>{} requests, {:.6} seconds together</p>\n\
         <table>\n<tr><th>up to seconds</th><th>requests</th></tr>\n",
        Text(&family.name),
        times.count,
        times.sum
    ));
    let mut before = 0;
    for (limit, count) in &times.places {
        if *count > before {
            page.add(format_args!(
                "<tr><td>{limit}</td><td class=\"n\">{}</td></tr>\n",
                count - before
            ));
        }
        before = *count;
    }
    if times.count > before {
        let rest = times.count - before;
        page.add(format_args!("<tr><td>more</td><td class=\"n\">{rest}</td></tr>\n"));
    }
    page.add(format_args!("</table>\n"));
}

fn label(place: Place) -> String {
    match place {
        Place::Active => "active".to_owned(),
        Place::Slow(Duration::ZERO) => "all".to_owned(),
        Place::Slow(limit) => format!("from {}", humantime::format_duration(limit)),
        Place::Failed => "failed".to_owned(),
    }
}
