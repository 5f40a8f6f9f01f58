//! `cargo xtask tidy`: the rules of the house that no compiler knows.

mod tree;
mod layout;
mod text;
mod manifests;
mod borders;
mod floors;

use anyhow::{Result, bail};

use crate::cargo;
use crate::checkout::Checkout;
use tree::Tree;

/// Checks all rules; fails and lists every place that breaks one.
pub(crate) fn run(checkout: &Checkout) -> Result<()> {
    let tree = Tree::read(&checkout.root)?;
    let packages = cargo::workspace(checkout)?.packages;
    let mut problems = layout::check(&tree);
    problems.extend(text::check(&tree));
    problems.extend(text::check_machine(&tree, &checkout.root));
    problems.extend(manifests::check(&tree));
    problems.extend(borders::check(&tree));
    problems.extend(floors::check(&tree, &packages));
    if !problems.is_empty() {
        bail!("the house is not tidy:\n{}", problems.join("\n"));
    }
    Ok(())
}
