//! Which crates may depend on which, verified in the dependency graph that cargo resolves.

use std::{collections::BTreeSet, sync::OnceLock};

use cargo_metadata::{
    CargoOpt, DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId,
};

/// Crates for the web, databases and HTTP, on which the domain must not depend.
const OUTSIDE: [&str; 32] = [
    "actix-web",
    "axum",
    "cookie",
    "diesel",
    "diesel-async",
    "figment",
    "http",
    "http-body",
    "hyper",
    "hyper-util",
    "libsqlite3-sys",
    "minijinja",
    "mysql_async",
    "oauth2",
    "openidconnect",
    "openssl",
    "poem",
    "postgres",
    "redis",
    "reqwest",
    "rocket",
    "rusqlite",
    "rustls",
    "sea-orm",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tower",
    "ureq",
    "url",
    "warp",
    "webpki",
];

/// The graph of the whole workspace with all features.
///
/// For one platform: cargo has not downloaded the crates of others, and the test needs no network.
pub(crate) fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        MetadataCommand::new()
            .cargo_path(env!("CARGO"))
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .features(CargoOpt::AllFeatures)
            .other_options(
                ["--locked", "--filter-platform", env!("PORTICO_TARGET")].map(str::to_owned),
            )
            .exec()
            .expect("cargo metadata")
    })
}

fn node(id: &PackageId) -> &'static Node {
    let graph = metadata().resolve.as_ref().expect("a resolved graph");
    graph.nodes.iter().find(|node| node.id == *id).expect("a node for each package")
}

fn member(name: &str) -> &'static Package {
    let members = metadata().workspace_packages();
    members.into_iter().find(|package| package.name == name).expect("a member of that name")
}

/// The direct dependencies of the package, without those of its tests and its build script.
fn direct(id: &PackageId) -> impl Iterator<Item = &'static PackageId> + use<> {
    let normal = |kinds: &[cargo_metadata::DepKindInfo]| {
        kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
    };
    node(id).deps.iter().filter(move |dep| normal(&dep.dep_kinds)).map(|dep| &dep.pkg)
}

/// The names of the direct and indirect dependencies of the member, and of itself.
fn reachable(name: &str) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![&member(name).id];
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(direct(id));
        }
    }
    seen.into_iter().map(|id| metadata()[id].name.as_str()).collect()
}

/// Those of them that are members of this workspace.
fn reachable_members(name: &str) -> BTreeSet<&'static str> {
    let members = metadata().workspace_packages();
    let is_member = |name: &&str| members.iter().any(|package| package.name == *name);
    reachable(name).into_iter().filter(is_member).collect()
}

fn outside_of(name: &str) -> Vec<&'static str> {
    reachable(name).into_iter().filter(|name| OUTSIDE.contains(name)).collect()
}

#[test]
fn domain_depends_on_no_web_database_or_http_crate() {
    assert_eq!(outside_of("portico-domain"), [""; 0]);
}

#[test]
fn domain_depends_on_no_other_member() {
    assert_eq!(reachable_members("portico-domain"), BTreeSet::from(["portico-domain"]));
}

#[test]
fn adapters_do_not_depend_on_development_servers() {
    let members = reachable_members("portico-adapters");
    assert!(members.contains("portico-domain"), "{members:?}");
    assert!(!members.contains("portico-development"), "{members:?}");
}

#[test]
fn development_servers_do_not_depend_on_app() {
    let members = reachable_members("portico-development");
    assert!(members.contains("portico-adapters"), "{members:?}");
    assert!(!members.contains("portico"), "{members:?}");
}

/// Proves that the search can find what the tests above find missing.
#[test]
fn adapters_depend_on_web_database_and_http_crates() {
    let found = outside_of("portico-adapters");
    for name in ["rocket", "diesel", "libsqlite3-sys", "tokio-postgres", "openidconnect", "reqwest"]
    {
        assert!(found.contains(&name), "{name} is not among {found:?}");
    }
    // An indirect dependency.
    assert!(found.contains(&"hyper"), "{found:?}");
}

#[test]
fn only_app_and_development_servers_depend_on_adapters() {
    let adapters = &member("portico-adapters").id;
    let on_adapters: BTreeSet<_> = metadata()
        .workspace_packages()
        .into_iter()
        .filter(|package| direct(&package.id).any(|dependency| dependency == adapters))
        .map(|package| package.name.as_str())
        .collect();
    let expected = ["portico", "portico-development", "portico-test-http", "portico-tests"];
    assert_eq!(on_adapters, BTreeSet::from(expected), "the tests aside");
}
