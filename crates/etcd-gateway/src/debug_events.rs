//! `/debug/events`: what happened to the server itself, for people.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use etcd_spans::{ErrorAge, Recent};

use crate::debug_requests::notes;
use crate::html::{Choice, Page, Text, link};

const PATH: &str = "/debug/events";
/// The family of the server's own events, as in etcd.
const FAMILY: &str = "grpc.Server";

pub(crate) async fn events(
    State(recent): State<Recent>,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Response {
    let choice = choice.map(|Query(choice)| choice).unwrap_or_default();
    let mut page = Page::new(PATH);
    let facts = recent.journal.facts();
    page.add(format_args!("<table>\n<tr><th>family</th>"));
    for age in ErrorAge::ALL {
        page.add(format_args!("<th>{}</th>", Text(label(age))));
    }
    page.add(format_args!("</tr>\n<tr><td>{FAMILY}</td>"));
    for (number, age) in (0..).zip(ErrorAge::ALL) {
        let count = u8::from(age.has(&facts));
        let link = link(PATH, FAMILY, number, &count.to_string());
        page.add(format_args!("<td class=\"n\">{link}</td>"));
    }
    page.add(format_args!("</tr>\n</table>\n"));
    let age = choice
        .place()
        .filter(|(family, _)| *family == FAMILY)
        .and_then(|(_, number)| ErrorAge::ALL.get(usize::try_from(number).ok()?));
    if age.is_some_and(|age| age.has(&facts)) {
        let since = humantime::format_rfc3339_micros(facts.at);
        page.add(format_args!("<h2>{FAMILY} since {since}</h2>\n"));
        if facts.left_off > 0 {
            page.add(format_args!("<p>behind {} older ones</p>", facts.left_off));
        }
        notes(&mut page, &facts.lines);
    }
    page.finish()
}

fn label(age: ErrorAge) -> String {
    match age {
        ErrorAge::Any => "all".to_owned(),
        ErrorAge::Within(limit) => {
            format!("errors within {}", humantime::format_duration(limit))
        }
        ErrorAge::Ever => "errors".to_owned(),
    }
}
