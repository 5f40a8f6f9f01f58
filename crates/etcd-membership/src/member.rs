//! One member, and its record as etcd's `members` bucket holds it.

use crate::{Error, MemberId};
use serde::{Deserialize, Deserializer, Serialize};

/// One member of the replicated set.
///
/// The fields stand in the order of the stored JSON record; the optional ones are left out of it
/// when empty, `peerURLs` never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Never changes.
    pub id: MemberId,
    /// Where its peers reach it, as normalised text, ascending.
    #[serde(rename = "peerURLs", default, deserialize_with = "null_is_empty")]
    pub peer_urls: Vec<String>,
    /// Receives the log and does not vote.
    #[serde(rename = "isLearner", default, skip_serializing_if = "is_false")]
    pub is_learner: bool,
    /// Empty until the member has started and published itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where clients reach it; empty until it has started.
    #[serde(
        rename = "clientURLs",
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub client_urls: Vec<String>,
}

impl Member {
    /// A member that was added and has not started: no name, no client URLs.
    #[must_use]
    pub fn unstarted(id: MemberId, peer_urls: Vec<String>) -> Member {
        Member { id, peer_urls, is_learner: false, name: String::new(), client_urls: Vec::new() }
    }

    /// Whether it has ever published itself, which etcd tells by its name.
    #[must_use]
    pub fn is_started(&self) -> bool {
        !self.name.is_empty()
    }

    /// The record's key: the id in lowercase hexadecimal without padding.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        self.id.to_string().into_bytes()
    }

    /// The record's value, byte for byte as Go's JSON encoder writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_string(self).expect("strings, numbers and lists are JSON");
        // Go escapes what could end a script element. None of these stands outside a string.
        let escapes = [
            ('<', r"\u003c"),
            ('>', r"\u003e"),
            ('&', r"\u0026"),
            ('\u{2028}', r"\u2028"),
            ('\u{2029}', r"\u2029"),
        ];
        escapes.iter().fold(json, |json, (char, escape)| json.replace(*char, escape)).into_bytes()
    }

    /// Reads a record's value.
    ///
    /// # Errors
    ///
    /// [`Error::MalformedRecord`] when it is not the JSON of a member.
    pub fn decode(value: &[u8]) -> Result<Member, Error> {
        serde_json::from_slice(value).map_err(|error| Error::MalformedRecord(error.to_string()))
    }
}

/// Go writes an absent list as `null`.
fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(member: &Member, expect: &Expect) {
        let record = member.encode();
        expect.assert_eq(std::str::from_utf8(&record).expect("JSON is text"));
        assert_eq!(Member::decode(&record).as_ref(), Ok(member));
    }

    #[test]
    fn a_record_has_etcds_fields_in_etcds_order() {
        let mut member = Member::unstarted(
            MemberId(10_276_657_743_932_975_437),
            vec!["http://localhost:2380".to_owned()],
        );
        check(
            &member,
            &expect![[r#"{"id":10276657743932975437,"peerURLs":["http://localhost:2380"]}"#]],
        );
        member.name = "a<b>&c".to_owned();
        member.is_learner = true;
        member.client_urls = vec!["http://localhost:2379".to_owned()];
        check(
            &member,
            &expect![[
                r#"{"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"isLearner":true,"name":"a\u003cb\u003e\u0026c","clientURLs":["http://localhost:2379"]}"#
            ]],
        );
        assert_eq!(member.key(), b"8e9e05c52164694d");
    }

    #[test]
    fn an_absent_list_may_be_null() {
        let member = Member::decode(br#"{"id":7,"peerURLs":null}"#);
        assert_eq!(member, Ok(Member::unstarted(MemberId(7), Vec::new())));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for wrong in [&b"removed"[..], b"{}", br#"{"id":-1}"#] {
            let error = Member::decode(wrong).expect_err("not a member");
            assert!(matches!(error, Error::MalformedRecord(_)), "{error:?}");
        }
    }
}
