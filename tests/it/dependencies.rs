//! `cargo test` reuses what `cargo run` has built.

use std::{collections::BTreeSet, process::Command};

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
    // Marks a crate whose dependencies were listed before.
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// A feature that only a dev-dependency enables makes `cargo test` compile its crate again, and all
/// crates that depend on it.
#[test]
fn dev_dependencies_enable_no_feature_beyond_those_of_cargo_run() {
    let run = features("normal,build");
    let test = features("normal,build,dev");
    assert!(run.iter().any(|line| line.starts_with("rocket v")), "{run:?}");
    let compiled_again: Vec<_> = run.difference(&test).collect();
    assert_eq!(compiled_again, [""; 0]);
}
