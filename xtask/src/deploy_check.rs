//! `cargo xtask deploy-check`: proves that what is in `deploy/` works: manifests against Kubernetes'
//! schemas, rules and dashboard against what members expose, and every command line by running it.
//!
//! Members run as their containers or their unit would run them: in a root of their own with the
//! image's files alone, as the user they are given, and each in a network namespace that has the
//! address and the names it would have. So no path and no address of a manifest is replaced.

mod run;
mod tools;
mod documents;
mod schemas;
mod metrics;
mod dockerfile;
mod root;
mod network;
mod certificates;
mod contained;
mod client;
mod pod;
mod unit;
mod notify;
mod stateful_set;
mod static_pod;
mod service;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, Profile};
use crate::checkout::Checkout;
use crate::timings::Timings;
use crate::{host, rocksdb};
use documents::Documents;
use root::Image;
use tools::Tools;

/// Options of `deploy-check`.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// A server that is built already; else one is built as for tests.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// Take the image's files together without building the image, even where docker or podman could.
    #[arg(long)]
    pub(crate) without_image: bool,
    /// Render with a kustomize that is built from its sources, even where kubectl could.
    #[arg(long)]
    pub(crate) without_kubectl: bool,
}

/// Everything that can be applied, below `deploy/`.
const KUSTOMIZATIONS: [&str; 4] = [
    "kubernetes/base",
    "kubernetes/overlays/tls-cert-manager",
    "kubernetes/overlays/tls-secret",
    "kubernetes/overlays/monitoring",
];

/// What is checked, and with what.
struct Setting {
    /// The folder `deploy`.
    deploy: PathBuf,
    /// A folder that is empty at the start.
    scratch: PathBuf,
    tools: Tools,
    image: Image,
}

/// Checks everything, and says how long each part took.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    Timings::tell(|timings| parts(checkout, options, timings))
}

fn parts(checkout: &Checkout, options: &Options, timings: &mut Timings) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("members run in namespaces here, which only root may make: run it with sudo");
    }
    let home = checkout.target.join("deploy-check");
    let scratch = home.join("scratch");
    clear(&scratch)?;
    let deploy = checkout.root.join("deploy");
    let tools = timings.part("tools", || {
        host::provide(host::DEPLOY)?;
        Tools::provide(checkout, &home, options)
    })?;
    let server = timings.part("server", || server(checkout, options))?;
    let image = timings.part("image", || Image::provide(checkout, &scratch, &server, options))?;
    let setting = Setting { deploy, scratch, tools, image };
    let rendered = timings.part("manifests", || manifests(&setting))?;
    let [base, with_tls, with_secrets, _] = &rendered;
    let wanted = timings.part("rules and dashboard", || metrics::read(&setting.deploy))?;
    timings.part("unit", || service::run(&setting))?;
    timings.part("static pod", || static_pod::run(&setting))?;
    timings.part("stateful set", || stateful_set::run(&setting, base).map(|_| ()))?;
    let exposed = timings.part("stateful set with TLS", || {
        stateful_set::check_same(with_tls, with_secrets)?;
        stateful_set::run(&setting, with_tls)
    })?;
    timings.part("metrics", || metrics::check(&wanted, &exposed))?;
    clear(&setting.scratch)
}

fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}

fn server(checkout: &Checkout, options: &Options) -> Result<PathBuf> {
    if let Some(server) = &options.server {
        return Ok(std::path::absolute(server)?);
    }
    host::provide(host::BUILD)?;
    rocksdb::provide(checkout)?;
    cargo::build_server(checkout, Profile::Dev)
}

/// Renders each kustomization and checks it and the other manifests against their schemas.
fn manifests(setting: &Setting) -> Result<[Documents; KUSTOMIZATIONS.len()]> {
    let mut schemas = schemas::Schemas::read(&setting.tools)?;
    let mut rendered = KUSTOMIZATIONS.map(|_| Documents::default());
    for (place, name) in rendered.iter_mut().zip(KUSTOMIZATIONS) {
        let text = setting.tools.render(&setting.deploy.join(name))?;
        *place = Documents::parse(&text).with_context(|| format!("reading deploy/{name}"))?;
        schemas.check(setting, name, place)?;
    }
    let pod = static_pod::FILE;
    schemas.check(setting, pod, &Documents::read(&setting.deploy.join(pod))?)?;
    Ok(rendered)
}
