//! The outside programs and schemas: found on the machine, else fetched once into the target folder,
//! each at a version that is written here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Options;
use super::run::{output, succeed};
use crate::checkout::Checkout;

/// Where there is no kubectl, which contains it.
const KUSTOMIZE: &str = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1";
/// Kubernetes' own schemas, and what reads them, with what it needs.
const VALIDATOR: &[&str] = &["kubernetes-validate==1.37.0", "jsonschema==4.26.0"];
/// Where the schemas of others' resources are: a Go module, and a folder in it.
const MODULES: [(&str, &str); 2] = [
    ("github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds"),
    (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd",
    ),
];

/// All of them.
pub(crate) struct Tools {
    /// Renders the kustomization in the folder that is named behind.
    kustomize: Vec<PathBuf>,
    /// A Python that has the validator.
    pub(crate) python: PathBuf,
    /// Folders with definitions of resources.
    pub(crate) definitions: Vec<PathBuf>,
    /// etcd's own client.
    pub(crate) etcdctl: PathBuf,
}

impl Tools {
    /// Finds or fetches them; what they are is kept in `home`.
    pub(crate) fn provide(checkout: &Checkout, home: &Path, options: &Options) -> Result<Tools> {
        let definitions = MODULES.iter().map(|(module, folder)| definitions(home, module, folder));
        Ok(Tools {
            kustomize: kustomize(home, options)?,
            python: python(home)?,
            definitions: definitions.collect::<Result<_>>()?,
            etcdctl: etcdctl(checkout)?,
        })
    }

    /// The documents that the kustomization in the folder makes.
    pub(crate) fn render(&self, folder: &Path) -> Result<String> {
        output(Command::new(&self.kustomize[0]).args(&self.kustomize[1..]).arg(folder))
    }
}

fn kustomize(home: &Path, options: &Options) -> Result<Vec<PathBuf>> {
    let mut kubectl = Command::new("kubectl");
    let has_kubectl = kubectl.args(["kustomize", "--help"]).output();
    if !options.without_kubectl && has_kubectl.is_ok_and(|output| output.status.success()) {
        return Ok(["kubectl", "kustomize"].map(PathBuf::from).into());
    }
    let program = home.join("go/kustomize");
    if !program.is_file() {
        say!("Building {KUSTOMIZE}");
        succeed(Command::new("go").args(["install", KUSTOMIZE]).env("GOBIN", home.join("go")))?;
    }
    Ok(vec![program, PathBuf::from("build")])
}

/// A Python environment of its own, made anew when it shall have something else.
fn python(home: &Path) -> Result<PathBuf> {
    let folder = home.join("python");
    let python = folder.join("bin/python");
    let record = folder.join("installed");
    let wanted = VALIDATOR.join("\n");
    if fs::read_to_string(&record).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    say!("Installing {}", VALIDATOR.join(", "));
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    succeed(install.args(VALIDATOR))?;
    fs::write(&record, wanted).with_context(|| format!("writing {}", record.display()))?;
    Ok(python)
}

/// Lets Go fetch a module, which checks it, and copies the definitions out of it.
fn definitions(home: &Path, module: &str, folder: &str) -> Result<PathBuf> {
    let own = home.join("definitions").join(module.replace('/', "_"));
    if own.is_dir() {
        return Ok(own);
    }
    say!("Fetching the definitions of {module}");
    let mut download = Command::new("go");
    // Outside of any module, or Go would want to write it into that one's.
    download.args(["mod", "download", "-json", module]).current_dir(home);
    let answer: Value = serde_json::from_str(&output(&mut download)?)?;
    let place = answer["Dir"].as_str().with_context(|| format!("Go has no folder of {module}"))?;
    let unfinished = home.join("definitions").join("unfinished");
    super::clear(&unfinished)?;
    let source = Path::new(place).join(folder);
    for entry in fs::read_dir(&source).with_context(|| format!("reading {}", source.display()))? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "yaml") {
            // Not a copy: that would be as read-only as Go's own.
            fs::write(unfinished.join(entry.file_name()), fs::read(entry.path())?)?;
        }
    }
    fs::rename(&unfinished, &own)?;
    Ok(own)
}

/// The one that the tests of whole clusters build too, in the same place.
fn etcdctl(checkout: &Checkout) -> Result<PathBuf> {
    let program = checkout.target.join("etcdctl/etcdctl-3.7.1");
    if !program.is_file() {
        say!("Building etcdctl 3.7.1");
        let unfinished = program.with_extension(std::process::id().to_string());
        let mut build = Command::new("go");
        build.current_dir(checkout.root.join("tests/go")).env("GOFLAGS", "-mod=mod");
        build.args(["build", "-o"]).arg(&unfinished).arg("go.etcd.io/etcd/etcdctl/v3");
        succeed(&mut build)?;
        fs::rename(&unfinished, &program)?;
    }
    Ok(program)
}
