//! The layer rules as pure functions: the table and the packages in, sentences about what is wrong out.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// What every package's name begins with; the table leaves it out.
const PREFIX: &str = "mutual-";

/// One crate of the workspace.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) used_in: Use,
    pub(super) default_features: bool,
}

/// Where a dependency is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// In what is shipped, or to build it.
    Product,
    /// In tests and benchmarks alone.
    Tests,
}

/// `[workspace.metadata.layers]`.
#[derive(Debug)]
pub(super) struct Table {
    /// Crate → crates of the workspace that it may use.
    uses: BTreeMap<String, Vec<String>>,
    /// Crate → further ones for its tests; `*` is every crate.
    tests: BTreeMap<String, Vec<String>>,
    /// Foreign crate (`name*` for a family) → crates that alone may name it.
    only: BTreeMap<String, Vec<String>>,
    /// Foreign crates whose default features bring more than anybody here wants.
    bare: Vec<String>,
    /// Crates that are copied out of the repository, so that their manifests stand alone.
    standalone: Vec<String>,
}

impl Table {
    /// Takes the table out of the root manifest.
    pub(super) fn parse(manifest: &toml::Table) -> Result<Self> {
        let layers = ["workspace", "metadata", "layers"]
            .iter()
            .try_fold(manifest, |table, key| table.get(*key)?.as_table())
            .context("Cargo.toml has no [workspace.metadata.layers]")?;
        Ok(Self {
            uses: lists(layers, "uses")?,
            tests: lists(layers, "tests")?,
            only: lists(layers, "only")?,
            bare: list(layers, "bare")?,
            standalone: list(layers, "standalone")?,
        })
    }

    /// One sentence for each thing that is wrong.
    pub(super) fn check(&self, packages: &[Package]) -> Vec<String> {
        let known: Vec<&str> = packages
            .iter()
            .map(|package| short(&package.name))
            .collect();
        let mut broken = Vec::new();
        for name in self
            .uses
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
        {
            broken.push(format!(
                "the table lists {name}, which is no crate of the workspace"
            ));
        }
        for package in packages {
            let name = short(&package.name);
            let Some(uses) = self.uses.get(name) else {
                broken.push(format!("{name} is missing in the table"));
                continue;
            };
            for dependency in &package.dependencies {
                let to = short(&dependency.name);
                if dependency.name.starts_with(PREFIX) && known.contains(&to) {
                    broken.extend(self.check_edge(name, uses, dependency));
                } else {
                    broken.extend(self.check_foreign(name, dependency));
                }
            }
        }
        broken.extend(self.unused(packages));
        broken
    }

    /// What the table allows and nobody needs: a door that was left open.
    fn unused(&self, packages: &[Package]) -> Vec<String> {
        let edges = self.uses.iter().chain(&self.tests);
        let edges = edges.flat_map(|(from, list)| list.iter().map(move |to| (from, to)));
        let edges = edges.filter(|(from, to)| {
            let inside = |dependency: &str| dependency.starts_with(PREFIX);
            !is_needed(packages, from, |dependency| {
                inside(dependency) && (*to == "*" || short(dependency) == *to)
            })
        });
        let homes = self.only.iter();
        let homes = homes.flat_map(|(pattern, list)| list.iter().map(move |home| (home, pattern)));
        let homes = homes.filter(|(home, pattern)| {
            !is_needed(packages, home, |dependency| matches(pattern, dependency))
        });
        let edges =
            edges.map(|(from, to)| format!("the table lets {from} use {to}, which it does not"));
        let homes = homes.map(|(home, foreign)| {
            format!("the table lets {home} name {foreign}, which it does not")
        });
        edges.chain(homes).collect()
    }

    fn check_edge(&self, from: &str, uses: &[String], dependency: &Dependency) -> Option<String> {
        let to = short(&dependency.name);
        let listed = |list: &[String]| list.iter().any(|name| name == to || name == "*");
        let for_tests = ["*", from]
            .iter()
            .filter_map(|key| self.tests.get(*key))
            .any(|list| listed(list));
        match dependency.used_in {
            _ if listed(uses) => None,
            Use::Tests if for_tests => None,
            Use::Tests => Some(format!("{from} may not use {to}, not even in tests")),
            Use::Product => Some(format!("{from} may not use {to}")),
        }
    }

    fn check_foreign(&self, from: &str, dependency: &Dependency) -> Vec<String> {
        let foreign = &dependency.name;
        let mut broken = Vec::new();
        for (_, homes) in self
            .only
            .iter()
            .filter(|(pattern, _)| matches(pattern, foreign))
        {
            if !homes.iter().any(|home| home == from) {
                broken.push(format!(
                    "{from} may not name {foreign}: only {} may",
                    homes.join(", ")
                ));
            }
        }
        if dependency.default_features && self.bare.iter().any(|pattern| matches(pattern, foreign))
        {
            broken.push(format!("{from} uses {foreign} with its default features"));
        }
        broken
    }

    /// What a crate's manifest says by itself although the workspace says it for all: versions of dependencies, lints.
    pub(super) fn not_inherited(&self, path: &str, manifest: &toml::Table) -> Vec<String> {
        let name = manifest
            .get("package")
            .and_then(|package| package.get("name"));
        let name = name.and_then(toml::Value::as_str).map_or("", short);
        if self.standalone.iter().any(|standalone| standalone == name) {
            return Vec::new();
        }
        let mut broken = Vec::new();
        if !inherits(manifest.get("lints")) {
            broken.push(format!("{path}: does not take the workspace's lints"));
        }
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = manifest
                .get(kind)
                .and_then(toml::Value::as_table)
                .into_iter()
                .flatten();
            for (name, _) in dependencies.filter(|(_, value)| !inherits(Some(value))) {
                broken.push(format!("{path}: {name} has a version of its own; it belongs into [workspace.dependencies]"));
            }
        }
        broken
    }
}

/// Whether the crate `from`, or any crate for `*`, has such a dependency.
fn is_needed(packages: &[Package], from: &str, is_such: impl Fn(&str) -> bool) -> bool {
    let mut packages = packages
        .iter()
        .filter(|package| from == "*" || short(&package.name) == from);
    packages.any(|package| {
        let mut names = package
            .dependencies
            .iter()
            .map(|dependency| &dependency.name);
        names.any(|name| is_such(name))
    })
}

fn inherits(value: Option<&toml::Value>) -> bool {
    value
        .and_then(|value| value.get("workspace"))
        .and_then(toml::Value::as_bool)
        == Some(true)
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// `wasmtime*` is the family, `wasmtime` that crate alone.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

fn lists(layers: &toml::Table, key: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let table = layers.get(key).and_then(toml::Value::as_table);
    let table = table.with_context(|| format!("the layers table has no table `{key}`"))?;
    table
        .iter()
        .map(|(name, value)| {
            let list =
                names(value).with_context(|| format!("`{key}.{name}` is not a list of names"))?;
            Ok((name.clone(), list))
        })
        .collect()
}

fn list(layers: &toml::Table, key: &str) -> Result<Vec<String>> {
    let value = layers.get(key).and_then(names);
    value.with_context(|| format!("the layers table has no list `{key}`"))
}

fn names(value: &toml::Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|name| name.as_str().map(str::to_owned))
        .collect()
}
