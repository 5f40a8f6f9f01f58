//! Kubernetes' resources, as documents of one YAML text.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// Resources in the order in which they stand.
#[derive(Default)]
pub(crate) struct Documents {
    all: Vec<Value>,
}

impl Documents {
    /// Reads a text of documents; each must be a resource.
    pub(crate) fn parse(text: &str) -> Result<Documents> {
        let mut all = Vec::new();
        for document in yaml_serde::Deserializer::from_str(text) {
            let document = Value::deserialize(document)?;
            if document.is_null() {
                continue;
            }
            if kind(&document).is_empty() || name(&document).is_empty() {
                bail!("a document has no kind or no name: {document}");
            }
            all.push(document);
        }
        if all.is_empty() {
            bail!("there are no documents");
        }
        Ok(Documents { all })
    }

    /// Reads a file of documents.
    pub(crate) fn read(file: &Path) -> Result<Documents> {
        let text = fs::read_to_string(file);
        let text = text.with_context(|| format!("reading {}", file.display()))?;
        Documents::parse(&text).with_context(|| format!("reading {}", file.display()))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.all.iter()
    }

    /// Those of one kind.
    pub(crate) fn of_kind(&self, wanted: &str) -> impl Iterator<Item = &Value> {
        self.all.iter().filter(move |document| kind(document) == wanted)
    }

    /// The only one of its kind.
    pub(crate) fn only(&self, wanted: &str) -> Result<&Value> {
        let mut found = self.of_kind(wanted);
        let first = found.next().with_context(|| format!("there is no {wanted}"))?;
        match found.next() {
            None => Ok(first),
            Some(second) => bail!("{wanted} {} and {} are two", name(first), name(second)),
        }
    }
}

/// What a resource is.
pub(crate) fn kind(document: &Value) -> &str {
    document["kind"].as_str().unwrap_or_default()
}

/// How a resource is called.
pub(crate) fn name(document: &Value) -> &str {
    document["metadata"]["name"].as_str().unwrap_or_default()
}

/// The texts of a list, which may be missing.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_by_kind() {
        let text = "kind: A\nmetadata: {name: one}\n---\n---\nkind: B\nmetadata: {name: two}\n---\n\
                    kind: B\nmetadata: {name: three}\n";
        let documents = Documents::parse(text).unwrap();
        assert_eq!(documents.iter().map(name).collect::<Vec<_>>(), ["one", "two", "three"]);
        assert_eq!(name(documents.only("A").unwrap()), "one");
        assert_eq!(documents.only("B").unwrap_err().to_string(), "B two and three are two");
        assert_eq!(documents.only("C").unwrap_err().to_string(), "there is no C");
    }

    #[test]
    fn a_document_without_a_name_is_refused() {
        assert!(Documents::parse("kind: A\n").is_err());
        assert!(Documents::parse("").is_err());
    }
}
