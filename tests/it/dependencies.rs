//! What Portico is built from: under which licences, from where, and without a system library; and
//! that the tests build on what `cargo run` has built.

use std::{collections::BTreeSet, process::Command};

use crate::hexagon::{metadata, reachable};

/// Licences that ask for no more than the notice. One of them must be enough for each crate.
const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Asks that changes to its own files be published, and nothing of what uses them. Good enough for
/// the tests, which nobody is given in binary form.
const FOR_TESTS: &str = "MPL-2.0";

/// Whether the SPDX expression can be met: `OR` is a choice, `AND` asks for both, `/` is the old
/// way to write `OR`.
fn permitted(expression: &str) -> bool {
    let flat = expression.replace('/', " OR ");
    if let Some((before, rest)) = flat.split_once('(') {
        let Some((inside, after)) = rest.split_once(')') else { return false };
        let inside = if permitted(inside) { "MIT" } else { "refused" };
        return permitted(&format!("{before}{inside}{after}"));
    }
    flat.split(" OR ").any(|choice| {
        choice.split(" AND ").all(|licence| {
            let licence = licence.trim().trim_end_matches(" WITH LLVM-exception");
            LICENCES.contains(&licence)
        })
    })
}

#[test]
fn every_crate_has_a_permissive_licence() {
    let shipped = reachable("portico");
    let refused: Vec<String> = metadata()
        .packages
        .iter()
        .map(|package| (package.name.as_str(), package.license.as_deref().unwrap_or("none")))
        .filter(|(_, licence)| !permitted(licence))
        .filter(|(name, licence)| shipped.contains(name) || *licence != FOR_TESTS)
        .map(|(name, licence)| format!("{name}: {licence}"))
        .collect();
    assert_eq!(refused, [""; 0]);
}

#[test]
fn licences_are_read_as_choices_and_sums() {
    for yes in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0"] {
        assert!(permitted(yes), "{yes}");
    }
    for no in ["none", "GPL-3.0", "MIT AND GPL-3.0", "(MIT AND GPL-2.0) AND ISC", "MIT AND (X"] {
        assert!(!permitted(no), "{no}");
    }
}

#[test]
fn every_crate_comes_from_this_repository_or_the_public_index() {
    for package in &metadata().packages {
        let index = package.source.as_ref().is_none_or(|source| {
            source.repr == "registry+https://github.com/rust-lang/crates.io-index"
        });
        assert!(index, "{} comes from {:?}", package.name, package.source);
    }
}

/// A fresh machine has Rust and a C compiler: no OpenSSL, no libpq, no CMake.
#[test]
fn no_crate_needs_a_library_of_the_system() {
    let needs = ["aws-lc-sys", "native-tls", "openssl-sys", "pq-sys", "mysqlclient-sys"];
    let names = metadata().packages.iter().map(|package| package.name.as_str());
    let found: Vec<_> = names.filter(|name| needs.contains(name)).collect();
    assert_eq!(found, [""; 0]);
}

/// The crates of the workspace by these kinds of dependencies, each with its features.
fn features(kinds: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--prefix", "none"])
        .args(["--format", "{p}: {f}", "--edges", kinds])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout).unwrap();
    // The mark of a crate whose own dependencies were shown before.
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// A feature that only a dev-dependency turns on has its crate compiled again, and with it all that
/// builds on it, when `cargo test` follows `cargo run`.
#[test]
fn dev_dependencies_turn_no_feature_on_that_cargo_run_builds_without() {
    let run = features("normal,build");
    let test = features("normal,build,dev");
    assert!(run.iter().any(|line| line.starts_with("rocket v")), "{run:?}");
    let compiled_again: Vec<_> = run.difference(&test).collect();
    assert_eq!(compiled_again, [""; 0]);
}
