//! A pod's specification, as the kubelet reads it: environment, command line, user, probes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::client::Client;
use super::contained::Contained;
use super::root::Image;

/// Within this time a member must be ready.
const READY: Duration = Duration::from_secs(60);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(100);

/// One pod with one container.
pub(crate) struct Pod<'a> {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) spec: &'a Value,
}

impl<'a> Pod<'a> {
    /// Its only container.
    pub(crate) fn container(&self) -> Result<&'a Value> {
        match self.spec["containers"].as_array().map(Vec::as_slice) {
            Some([container]) => Ok(container),
            _ => bail!("{} must have one container", self.name),
        }
    }

    /// The container's environment.
    pub(crate) fn environment(&self) -> Result<BTreeMap<String, String>> {
        let mut environment = BTreeMap::new();
        for variable in self.container()?["env"].as_array().into_iter().flatten() {
            let name = variable["name"].as_str().context("a variable has no name")?;
            let field = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str();
            let value = match (variable["value"].as_str(), field) {
                (Some(value), None) => expand(value, &environment),
                (None, Some("metadata.name")) => self.name.clone(),
                (None, Some("metadata.namespace")) => self.namespace.clone(),
                _ => bail!("the value of {name} is not understood here"),
            };
            environment.insert(name.to_owned(), value);
        }
        Ok(environment)
    }

    /// The command line.
    pub(crate) fn command(&self, image: &Image) -> Result<Vec<String>> {
        let (container, environment) = (self.container()?, self.environment()?);
        let words = |name: &str| -> Vec<String> {
            let words = super::documents::texts(&container[name]);
            words.iter().map(|word| expand(word, &environment)).collect()
        };
        let mut command = words("command");
        if command.is_empty() {
            command.clone_from(&image.entrypoint);
        }
        command.extend(words("args"));
        Ok(command)
    }

    /// User and group.
    pub(crate) fn user(&self, image: &Image) -> Result<(u32, u32)> {
        let id = |name: &str, otherwise| {
            let own = self.spec["securityContext"][name].as_u64();
            own.map_or(Ok(otherwise), u32::try_from)
        };
        Ok((id("runAsUser", image.user.0)?, id("runAsGroup", image.user.1)?))
    }

    /// How long it may take to stop.
    pub(crate) fn patience(&self) -> Duration {
        // What Kubernetes takes when nothing is said.
        let seconds = self.spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
        Duration::from_secs(seconds)
    }

    /// The number of a port that the container names.
    pub(crate) fn port(&self, name: &str) -> Result<u64> {
        let ports = self.container()?["ports"].as_array().into_iter().flatten();
        let mut named = ports.filter(|port| port["name"] == name);
        let number = named.next().and_then(|port| port["containerPort"].as_u64());
        number.with_context(|| format!("{} has no port {name}", self.name))
    }

    /// The URL that a probe asks.
    pub(crate) fn probe(&self, name: &str, address: &str) -> Result<String> {
        let get = &self.container()?[name]["httpGet"];
        let path = get["path"].as_str().with_context(|| format!("there is no {name} by HTTP"))?;
        let port = match &get["port"] {
            Value::String(port) => self.port(port)?,
            port => port.as_u64().with_context(|| format!("{name} has no port"))?,
        };
        let host = get["host"].as_str().unwrap_or(address);
        let scheme = get["scheme"].as_str().unwrap_or("HTTP").to_lowercase();
        Ok(format!("{scheme}://{host}:{port}{path}"))
    }

    /// Waits until it is ready, and sees that all its probes succeed then.
    pub(crate) fn wait(
        &self,
        member: &mut Contained,
        address: &str,
        kubelet: &Client<'_>,
    ) -> Result<()> {
        let ready = self.probe("readinessProbe", address)?;
        let deadline = Instant::now() + READY;
        while !kubelet.is_well(&ready) {
            member.check_running().with_context(|| self.name.clone())?;
            if Instant::now() > deadline {
                let words = member.last_words();
                bail!("{}: {ready} does not succeed within {READY:?}. {words}", self.name);
            }
            std::thread::sleep(LOOK);
        }
        for name in ["startupProbe", "livenessProbe"] {
            let url = self.probe(name, address)?;
            kubelet.fetch(&url).with_context(|| format!("{}: {name}", self.name))?;
        }
        Ok(())
    }
}

/// Puts variables in the places of `$(NAME)`. A name that is not known stays, as does what a second
/// dollar sign precedes.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            expanded.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix("$(").and_then(|inside| inside.split_once(')'));
        match name.and_then(|(name, after)| Some((variables.get(name)?, after))) {
            Some((value, after)) => {
                expanded.push_str(value);
                rest = after;
            }
            None => {
                expanded.push('$');
                rest = &rest[1..];
            }
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_are_put_in_as_kubernetes_does() {
        let variables = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        let check = |text: &str, expected: &str| assert_eq!(expand(text, &variables), expected);
        check("http://$(A).b:$(A)", "http://x.b:x");
        check("$(B) $$(A) $A $", "$(B) $(A) $A $");
    }

    #[test]
    fn an_environment_and_a_probe_are_read() {
        let spec = json!({"containers": [{
            "env": [
                {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "U", "value": "http://$(N)"},
            ],
            "ports": [{"name": "metrics", "containerPort": 2381}],
            "livenessProbe": {"httpGet": {"path": "/livez", "port": "metrics"}},
        }]});
        let pod = Pod { name: "etcd-0".into(), namespace: "etcd".into(), spec: &spec };
        assert_eq!(pod.environment().unwrap()["U"], "http://etcd-0");
        let url = pod.probe("livenessProbe", "10.0.0.1").unwrap();
        assert_eq!(url, "http://10.0.0.1:2381/livez");
        assert!(pod.probe("readinessProbe", "10.0.0.1").is_err());
    }
}
