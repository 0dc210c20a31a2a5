//! Each layer rule meets a workspace that breaks it, and one that does not.

use super::rules::{Dependency, Package, Table, Use};

const TABLE: &str = r#"
[workspace.metadata.layers]
bare = ["heavy*"]
standalone = ["guest"]
[workspace.metadata.layers.uses]
protocol = []
lease = ["protocol"]
bench = ["*"]
testkit = []
[workspace.metadata.layers.tests]
"*" = ["testkit"]
protocol = ["lease"]
[workspace.metadata.layers.only]
"wasmtime*" = ["bench"]
cid = ["protocol"]
"#;

fn on(name: &str, used_in: Use) -> Dependency {
    Dependency {
        name: name.into(),
        used_in,
        default_features: true,
    }
}

/// A workspace that keeps to the table and needs all that it allows.
fn workspace() -> Vec<Package> {
    let package = |name: &str, dependencies: Vec<Dependency>| Package {
        name: format!("mutual-{name}"),
        dependencies,
    };
    vec![
        package(
            "protocol",
            vec![on("cid", Use::Product), on("mutual-lease", Use::Tests)],
        ),
        package(
            "lease",
            vec![
                on("mutual-protocol", Use::Product),
                on("mutual-testkit", Use::Tests),
            ],
        ),
        package(
            "bench",
            vec![
                on("mutual-protocol", Use::Product),
                on("wasmtime-cli", Use::Tests),
            ],
        ),
        package("testkit", Vec::new()),
    ]
}

fn check(packages: &[Package]) -> Vec<String> {
    let table = Table::parse(&TABLE.parse().unwrap()).unwrap();
    table.check(packages)
}

/// What is wrong when `name` has this dependency besides.
fn broken(name: &str, dependency: Dependency) -> Vec<String> {
    let mut packages = workspace();
    let package = packages
        .iter_mut()
        .find(|package| package.name == format!("mutual-{name}"))
        .unwrap();
    package.dependencies.push(dependency);
    check(&packages)
}

#[test]
fn listed_edges_pass() {
    assert!(broken("lease", on("mutual-protocol", Use::Product)).is_empty());
    assert!(broken("lease", on("mutual-testkit", Use::Tests)).is_empty());
    assert!(broken("protocol", on("mutual-lease", Use::Tests)).is_empty());
    assert!(broken("bench", on("mutual-lease", Use::Product)).is_empty());
}

#[test]
fn other_edges_are_named() {
    assert_eq!(
        broken("protocol", on("mutual-lease", Use::Product)),
        ["protocol may not use lease"]
    );
    assert_eq!(
        broken("lease", on("mutual-testkit", Use::Product)),
        ["lease may not use testkit"]
    );
    assert_eq!(
        broken("lease", on("mutual-bench", Use::Tests)),
        ["lease may not use bench, not even in tests"]
    );
}

#[test]
fn a_foreign_crate_has_one_home() {
    assert!(broken("bench", on("wasmtime-wasi", Use::Product)).is_empty());
    let message = "lease may not name wasmtime-wasi: only bench may";
    assert_eq!(broken("lease", on("wasmtime-wasi", Use::Tests)), [message]);
    assert!(broken("protocol", on("cid", Use::Product)).is_empty());
    assert!(broken("lease", on("cid-other", Use::Product)).is_empty());
}

#[test]
fn heavy_crates_come_without_default_features() {
    assert_eq!(
        broken("lease", on("heavy-io", Use::Product)),
        ["lease uses heavy-io with its default features"]
    );
    let bare = Dependency {
        default_features: false,
        ..on("heavy-io", Use::Product)
    };
    assert!(broken("lease", bare).is_empty());
}

#[test]
fn table_and_workspace_list_the_same_crates() {
    let mut packages = workspace();
    packages.last_mut().unwrap().name = "mutual-net".to_owned();
    assert_eq!(
        check(&packages),
        [
            "the table lists testkit, which is no crate of the workspace",
            "net is missing in the table"
        ]
    );
}

#[test]
fn what_nobody_needs_is_not_allowed() {
    let mut packages = workspace();
    for package in &mut packages {
        package.dependencies.clear();
    }
    assert_eq!(
        check(&packages),
        [
            "the table lets bench use *, which it does not",
            "the table lets lease use protocol, which it does not",
            "the table lets * use testkit, which it does not",
            "the table lets protocol use lease, which it does not",
            "the table lets protocol name cid, which it does not",
            "the table lets bench name wasmtime*, which it does not",
        ]
    );
}

#[test]
fn a_table_that_cannot_be_read_is_an_error() {
    for wrong in [
        "",
        "[workspace.metadata.layers]\nbare = [1]",
        "[workspace.metadata.layers]\nbare = []\nuses = 3",
    ] {
        assert!(Table::parse(&wrong.parse().unwrap()).is_err(), "{wrong}");
    }
}

#[test]
fn versions_and_lints_come_from_the_workspace() {
    let table = Table::parse(&TABLE.parse().unwrap()).unwrap();
    let not_inherited = |text: &str| table.not_inherited("x/Cargo.toml", &text.parse().unwrap());
    let good = "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = { workspace = true, features = [] }";
    assert!(not_inherited(good).is_empty());
    let bad = "[dependencies]\na = \"1\"\n[dev-dependencies]\nb = { path = \"../b\" }";
    let broken = not_inherited(bad);
    assert_eq!(broken.len(), 3, "{broken:?}");
    assert!(
        broken[0].contains("lints")
            && broken[1].contains(": a has")
            && broken[2].contains(": b has")
    );
    assert!(not_inherited(&format!("[package]\nname = \"mutual-guest\"\n{bad}")).is_empty());
}
