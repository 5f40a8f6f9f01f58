//! `cargo xtask codegen`: hands over to the crate beside this one, which alone needs the heavy
//! protobuf libraries.

use anyhow::Result;

use crate::cargo;
use crate::checkout::Checkout;

/// Makes the code anew.
pub(crate) fn generate(checkout: &Checkout) -> Result<()> {
    cargo::run(checkout, &["run", "--quiet", "--package", "xtask-codegen"])
}

/// Fails when the committed code is not what would be made now.
pub(crate) fn check(checkout: &Checkout) -> Result<()> {
    cargo::run(checkout, &["run", "--quiet", "--package", "xtask-codegen", "--", "--check"])
}
