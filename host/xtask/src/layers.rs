//! `cargo xtask layers`: compares what each crate depends on with the table in the root manifest.

mod rules;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    process::{self, cargo},
    workspace::{self, Workspace},
};
use rules::{Dependency, Package, Use};

/// Prints each broken rule and fails when there is one.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let manifest = workspace::read_toml(&workspace.root.join("Cargo.toml"))?;
    let table = rules::Table::parse(&manifest)?;
    let packages = packages(workspace)?;

    let mut broken = table.check(&packages);
    for manifest in workspace.member_manifests()? {
        let path = workspace.relative(&manifest);
        broken.extend(table.not_inherited(&path, &workspace::read_toml(&manifest)?));
    }
    for line in &broken {
        println!("layers: {line}");
    }
    if !broken.is_empty() {
        bail!(
            "{} dependencies break the layers of docs/architecture.md",
            broken.len()
        );
    }
    println!("layers: {} crates keep to the table", packages.len());
    Ok(())
}

fn packages(workspace: &Workspace) -> Result<Vec<Package>> {
    let text = process::capture(&mut cargo(
        workspace,
        &["metadata", "--no-deps", "--format-version", "1"],
    ))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    list(&metadata, "packages").map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let name = text(value, "name").context("a package without a name")?;
    let dependencies = list(value, "dependencies").map(dependency);
    Ok(Package {
        name: name.to_owned(),
        dependencies: dependencies.collect::<Result<_>>()?,
    })
}

fn dependency(value: &Value) -> Result<Dependency> {
    let name = text(value, "name").context("a dependency without a name")?;
    let used_in = match text(value, "kind") {
        Some("dev") => Use::Tests,
        _ => Use::Product,
    };
    let default_features = value.get("uses_default_features").and_then(Value::as_bool);
    Ok(Dependency {
        name: name.to_owned(),
        used_in,
        default_features: default_features.unwrap_or(true),
    })
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter().flatten()
}
