//! `docs/conformance.md` names existing tests.

use std::{path::Path, process::Command};

#[test]
fn conformance_page_names_existing_tests() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let page = std::fs::read_to_string(page).unwrap();
    let list = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    // A test with cases is listed once for each, as `name::case_1`.
    let is_of = |rest: &str| rest == ": test" || rest.starts_with("::case_");
    let exists = |name: &str| list.lines().any(|line| line.strip_prefix(name).is_some_and(is_of));
    let quoted: Vec<&str> = page.split('`').skip(1).step_by(2).collect();
    let named: Vec<&&str> = quoted.iter().filter(|text| text.contains("::")).collect();
    assert!(named.len() > 40, "{} tests are named", named.len());
    let missing: Vec<_> = named.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
