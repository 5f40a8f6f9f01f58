//! Pages for people: a head, tables, and text that stays text.

use std::fmt::{self, Write as _};

use axum::response::{IntoResponse, Response};
use http::header;

/// Looks of all pages.
const STYLE: &str = "body{font-family:sans-serif;margin:1.5em}table{border-collapse:collapse}\
    td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left;vertical-align:top}\
    td.n{text-align:right}pre{margin:0}";

/// A page that is being written.
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn new(title: &str) -> Page {
        let title = Text(title);
        Page(format!(
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title>\
             <style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n"
        ))
    }

    /// Adds what is HTML already.
    pub(crate) fn add(&mut self, html: fmt::Arguments<'_>) {
        self.0.write_fmt(html).expect("there is room in memory");
    }

    pub(crate) fn finish(mut self) -> Response {
        self.0.push_str("</body></html>\n");
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], self.0).into_response()
    }
}

/// Text, whatever is in it.
pub(crate) struct Text<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.to_string().chars() {
            match letter {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// Which of a page's requests are asked for, by the parameters of Go's pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Choice {
    /// The family; none for all.
    fam: String,
    /// The place in it.
    b: String,
    /// Whether each is told with all that happened.
    exp: String,
}

impl Choice {
    /// The family and the number of the place in it.
    pub(crate) fn place(&self) -> Option<(&str, i64)> {
        let number = self.b.parse().ok()?;
        (!self.fam.is_empty()).then_some((self.fam.as_str(), number))
    }

    pub(crate) fn wants_all(&self) -> bool {
        matches!(self.exp.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True")
    }
}

/// A link to a place of a family.
pub(crate) fn link(page: &str, family: &str, place: i64, label: &str) -> String {
    let (family, label) = (Text(family), Text(label));
    format!("<a href=\"{page}?fam={family}&amp;b={place}\">{label}</a>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(Text("<a&'\">").to_string(), "&lt;a&amp;&#39;&quot;&gt;");
    }

    #[test]
    fn a_place_has_a_family_and_a_number() {
        let choice = |fam: &str, b: &str| Choice { fam: fam.into(), b: b.into(), exp: "1".into() };
        assert_eq!(choice("kv", "-1").place(), Some(("kv", -1)));
        assert!(choice("kv", "0").wants_all());
        for (fam, b) in [("", "0"), ("kv", ""), ("kv", "x")] {
            assert_eq!(choice(fam, b).place(), None);
        }
    }
}
