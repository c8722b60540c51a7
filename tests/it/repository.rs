//! The entries in the root of the repository.

use std::{collections::BTreeSet, path::Path, process::Command};

/// Files and folders that belong in the root.
const ALLOWED: [&str; 27] = [
    ".ci",
    ".editorconfig",
    ".env.example",
    ".gitattributes",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "adapters",
    "app",
    "clippy.toml",
    "deny.toml",
    "deploy",
    "development",
    "docs",
    "domain",
    "justfile",
    "migrations",
    "rustfmt.toml",
    "templates",
    "tests",
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The tracked entries of the root; `None` where git is missing or this is no checkout.
fn tracked() -> Option<BTreeSet<String>> {
    let list = Command::new("git").arg("-C").arg(root()).args(["ls-files", "-z"]).output().ok()?;
    let list = String::from_utf8(list.stdout).ok().filter(|_| list.status.success())?;
    let first = |path: &str| path.split('/').next().map(str::to_owned);
    let entries: BTreeSet<_> = list.split_terminator('\0').filter_map(first).collect();
    (!entries.is_empty()).then_some(entries)
}

/// The entries that `.gitignore` does not name, as in a source archive.
fn present() -> BTreeSet<String> {
    let ignored = std::fs::read_to_string(root().join(".gitignore")).unwrap();
    let ignored: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('/')).collect();
    let is_ignored = |name: &str| {
        name == ".git"
            || ignored.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == *pattern,
            })
    };
    let entries = std::fs::read_dir(root()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !is_ignored(name)).collect()
}

#[test]
fn root_holds_only_allowed_entries() {
    let entries = tracked().unwrap_or_else(present);
    assert!(entries.contains("Cargo.toml"), "{entries:?}");
    let others: Vec<_> =
        entries.iter().filter(|entry| !ALLOWED.contains(&entry.as_str())).collect();
    assert!(others.is_empty(), "not allowed in the root: {others:?}");
}
