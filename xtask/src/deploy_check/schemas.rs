//! Resources against their schemas: Kubernetes' own by the program kubernetes-validate, those of
//! cert-manager and of Prometheus' operator by the definitions that these publish. A field that a
//! schema does not know is a mistake in either.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::Setting;
use super::documents::{Documents, kind, name};
use super::run::succeed;
use super::tools::Tools;

/// Makes a pattern match in any case.
const ANY_CASE: &str = "(?i)";

/// The schemas of resources that are not Kubernetes' own, by API version and kind.
pub(crate) struct Schemas {
    defined: BTreeMap<(String, String), Value>,
    /// What was found well: kustomizations share most of their resources.
    checked: BTreeSet<String>,
}

impl Schemas {
    /// Reads all definitions.
    pub(crate) fn read(tools: &Tools) -> Result<Schemas> {
        let mut schemas = Schemas { defined: BTreeMap::new(), checked: BTreeSet::new() };
        for folder in &tools.definitions {
            for entry in fs::read_dir(folder)? {
                let file = entry?.path();
                let documents = Documents::read(&file)?;
                documents.of_kind("CustomResourceDefinition").for_each(|one| schemas.define(one));
            }
        }
        Ok(schemas)
    }

    fn define(&mut self, definition: &Value) {
        let spec = &definition["spec"];
        let (group, kind) = (&spec["group"], &spec["names"]["kind"]);
        for version in spec["versions"].as_array().into_iter().flatten() {
            let api = format!("{}/{}", text(group), text(&version["name"]));
            let schema = strict(&version["schema"]["openAPIV3Schema"]);
            self.defined.insert((api, text(kind)), schema);
        }
    }

    /// Checks the resources that one place holds.
    pub(crate) fn check(&mut self, setting: &Setting, place: &str, all: &Documents) -> Result<()> {
        let folder = setting.scratch.join("schemas").join(place.replace('/', "-"));
        fs::create_dir_all(&folder)?;
        let mut own = Vec::new();
        for document in all.iter() {
            if self.checked.contains(&document.to_string()) {
                continue;
            }
            let key = (text(&document["apiVersion"]), kind(document).to_owned());
            let file = folder.join(format!("{}-{}.json", kind(document), name(document)));
            fs::write(&file, serde_json::to_vec(document)?)?;
            match self.defined.get(&key) {
                Some(schema) => check_defined(setting, &file, schema)
                    .with_context(|| format!("deploy/{place}: {} {}", key.1, name(document)))?,
                None => own.push(file),
            }
        }
        if !own.is_empty() {
            let program = setting.tools.python.with_file_name("kubernetes-validate");
            let validated = succeed(Command::new(program).args(["--strict", "--quiet"]).args(&own));
            validated.with_context(|| format!("deploy/{place}"))?;
        }
        self.checked.extend(all.iter().map(Value::to_string));
        say!("deploy/{place}: {} resources", all.iter().count());
        Ok(())
    }
}

fn check_defined(setting: &Setting, file: &Path, schema: &Value) -> Result<()> {
    let schema_file = file.with_extension("schema");
    fs::write(&schema_file, serde_json::to_vec(schema)?)?;
    let mut validate = Command::new(&setting.tools.python);
    validate.args(["-W", "ignore", "-m", "jsonschema", "--instance"]).arg(file).arg(&schema_file);
    match succeed(&mut validate) {
        Ok(()) => Ok(()),
        Err(error) => bail!("{error:#}"),
    }
}

/// The schema, with no other fields than it names. A definition says in words of its own where
/// others are welcome; the type and the metadata of a resource are Kubernetes' to check.
fn strict(schema: &Value) -> Value {
    let mut schema = closed(schema);
    for name in ["apiVersion", "kind", "metadata"] {
        schema["properties"][name] = json!({});
    }
    schema
}

fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut own: Map<String, Value> =
                fields.iter().map(|(name, inner)| (name.clone(), closed(inner))).collect();
            let welcome = fields.get("x-kubernetes-preserve-unknown-fields").is_some()
                || fields.contains_key("additionalProperties");
            if fields.get("properties").is_some_and(Value::is_object)
                && fields.get("type").is_some_and(|kind| kind == "object")
                && !welcome
            {
                own.insert("additionalProperties".into(), Value::Bool(false));
            }
            // Written for Go, where this may stand anywhere.
            if let Some(Value::String(pattern)) = own.get_mut("pattern")
                && pattern.contains(ANY_CASE)
            {
                *pattern = format!("{ANY_CASE}{}", pattern.replace(ANY_CASE, ""));
            }
            Value::Object(own)
        }
        Value::Array(items) => Value::Array(items.iter().map(closed).collect()),
        other => other.clone(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_closed_where_nothing_else_is_welcome() {
        let schema = json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"a": {"type": "string"}}},
            "word": {"type": "string", "pattern": "^(?i)(a)$"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                     "properties": {"b": {"type": "string"}}},
        }});
        let strict = strict(&schema);
        assert_eq!(strict["additionalProperties"], json!(false));
        assert_eq!(strict["properties"]["spec"]["additionalProperties"], json!(false));
        assert_eq!(strict["properties"]["free"].get("additionalProperties"), None);
        assert_eq!(strict["properties"]["word"]["pattern"], "(?i)^(a)$");
        assert_eq!(strict["properties"]["metadata"], json!({}));
    }
}
