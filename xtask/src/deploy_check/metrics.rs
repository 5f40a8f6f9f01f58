//! Alert rules and the dashboard: whether they are well formed, and whether members expose every
//! metric that they ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use promql_parser::parser::{self, Expr};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::documents::Documents;

/// What Prometheus itself says of every target.
const PROMETHEUS_OWN: &str = "up";

/// A file of rules; a field that Prometheus does not know is a mistake.
#[derive(Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Alert>,
}

#[derive(Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Alert {
    alert: String,
    expr: String,
    #[serde(rename = "for", default)]
    lasts: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// Who asks for a metric, by its name.
pub(crate) type Wanted = BTreeMap<String, BTreeSet<String>>;

/// Checks both, and returns the metrics that they want.
pub(crate) fn read(deploy: &Path) -> Result<Wanted> {
    let folder = deploy.join("monitoring");
    let text = |name: &str| {
        fs::read_to_string(folder.join(name)).with_context(|| format!("reading {name}"))
    };
    let mut wanted = Wanted::new();
    let rules: Rules =
        yaml_serde::from_str(&text("etcd-rules.yaml")?).context("etcd-rules.yaml")?;
    check_rules(&rules, &mut wanted)?;
    let resource =
        Documents::parse(&text("prometheusrule.yaml")?).context("prometheusrule.yaml")?;
    let same: Rules = serde_json::from_value(resource.only("PrometheusRule")?["spec"].clone())?;
    if rules != same {
        bail!("etcd-rules.yaml and prometheusrule.yaml differ");
    }
    let dashboard = serde_json::from_str(&text("etcd-dashboard.json")?);
    check_dashboard(&dashboard.context("etcd-dashboard.json")?, &mut wanted)?;
    say!("{} alerts and panels ask for {} metrics", asking(&wanted).len(), wanted.len());
    Ok(wanted)
}

fn asking(wanted: &Wanted) -> BTreeSet<&String> {
    wanted.values().flatten().collect()
}

fn check_rules(rules: &Rules, wanted: &mut Wanted) -> Result<()> {
    let mut names = BTreeSet::new();
    for alert in rules.groups.iter().flat_map(|group| &group.rules) {
        let who = format!("alert {}", alert.alert);
        if !names.insert(&alert.alert) {
            bail!("{who} is there twice");
        }
        for (place, name) in [(&alert.labels, "severity"), (&alert.annotations, "summary")] {
            if !place.contains_key(name) {
                bail!("{who} has no {name}");
            }
        }
        want(wanted, &who, &alert.expr)?;
    }
    Ok(())
}

fn check_dashboard(dashboard: &Value, wanted: &mut Wanted) -> Result<()> {
    let panels = dashboard["panels"].as_array().context("the dashboard has no panels")?;
    let mut ids = BTreeSet::new();
    for panel in panels {
        let who = format!("panel {}", panel["title"]);
        let id = panel["id"].as_u64().with_context(|| format!("{who} has no id"))?;
        if !ids.insert(id) {
            bail!("{who} has an id that another has");
        }
        let place = &panel["gridPos"];
        let (left, width) = (place["x"].as_u64(), place["w"].as_u64());
        if left.zip(width).is_none_or(|(left, width)| left + width > 24) {
            bail!("{who} does not fit on the dashboard's 24 columns");
        }
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().filter(|targets| !targets.is_empty());
        for target in targets.with_context(|| format!("{who} asks for nothing"))? {
            let query = target["expr"].as_str().with_context(|| format!("{who} has no query"))?;
            want(wanted, &who, &query.replace("$__rate_interval", "5m"))?;
        }
    }
    Ok(())
}

/// Notes the metrics of a query.
fn want(wanted: &mut Wanted, who: &str, query: &str) -> Result<()> {
    for name in names(query).with_context(|| format!("{who}: {query}"))? {
        wanted.entry(name).or_default().insert(who.to_owned());
    }
    Ok(())
}

fn names(query: &str) -> Result<BTreeSet<String>> {
    let query = parser::parse(query).map_err(|error| anyhow!("{error}"))?;
    let mut selectors = Selectors::default();
    let Ok(_) = walk_expr(&mut selectors, &query);
    if selectors.nameless {
        bail!("it asks for series without saying of which metric");
    }
    if selectors.names.is_empty() {
        bail!("it asks for no metric");
    }
    Ok(selectors.names)
}

#[derive(Default)]
struct Selectors {
    names: BTreeSet<String>,
    nameless: bool,
}

impl ExprVisitor for Selectors {
    type Error = Infallible;

    fn pre_visit(&mut self, query: &Expr) -> Result<bool, Infallible> {
        let selector = match query {
            Expr::VectorSelector(selector) => selector,
            Expr::MatrixSelector(range) => &range.vs,
            _ => return Ok(true),
        };
        match &selector.name {
            Some(name) => {
                self.names.insert(name.clone());
            }
            None => self.nameless = true,
        }
        Ok(true)
    }
}

/// The names of all series in a member's answer.
pub(crate) fn exposed(answer: &str) -> BTreeSet<String> {
    let series = answer.lines().filter(|line| !line.starts_with('#'));
    let names = series.filter_map(|line| line.split(['{', ' ']).next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Fails when somebody wants a metric that is not exposed.
pub(crate) fn check(wanted: &Wanted, exposed: &BTreeSet<String>) -> Result<()> {
    let missing: Vec<String> = wanted
        .iter()
        .filter(|(name, _)| *name != PROMETHEUS_OWN && !exposed.contains(*name))
        .map(|(name, who)| {
            let who: Vec<_> = who.iter().map(String::as_str).collect();
            format!("{name} ({})", who.join(", "))
        })
        .collect();
    if !missing.is_empty() {
        bail!("no member exposes these metrics:\n{}", missing.join("\n"));
    }
    say!("the members expose all {} metrics", wanted.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check_query(query: &str, expected: Expect) {
        let found = match names(query) {
            Ok(names) => names.into_iter().collect::<Vec<_>>().join(" "),
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&found);
    }

    #[test]
    fn the_metrics_of_a_query_are_found_wherever_they_stand() {
        check_query(
            "histogram_quantile(0.99, sum by (le) (rate(a_bucket{x=\"b\"}[5m]))) / (c > bool 0)",
            expect!["a_bucket c"],
        );
        check_query("sum(", expect!["error: unclosed left parenthesis"]);
        check_query(
            "{job=\"etcd\"}",
            expect!["error: it asks for series without saying of which metric"],
        );
        check_query("1 + 1", expect!["error: it asks for no metric"]);
    }

    #[test]
    fn a_metric_that_nobody_exposes_is_named_with_who_wants_it() {
        let mut wanted = Wanted::new();
        want(&mut wanted, "panel \"a\"", "here + there + up").unwrap();
        let exposed = exposed("# TYPE here gauge\nhere{a=\"b\"} 1\nelsewhere 2\n");
        expect![[r#"
            no member exposes these metrics:
            there (panel "a")"#]]
        .assert_eq(&check(&wanted, &exposed).unwrap_err().to_string());
    }

    #[test]
    fn an_alert_that_is_there_twice_is_named() {
        let alert = "{alert: A, expr: a, labels: {severity: x}, annotations: {summary: x}}";
        let rules = format!("groups: [{{name: g, rules: [{alert}, {alert}]}}]");
        let rules: Rules = yaml_serde::from_str(&rules).unwrap();
        let error = check_rules(&rules, &mut Wanted::new()).unwrap_err();
        assert_eq!(error.to_string(), "alert A is there twice");
    }
}
