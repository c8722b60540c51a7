//! Finds the programs that some tests start and sets a `cfg` for each. Tests whose program is missing
//! are ignored, with the package to install.
//!
//! `PORTICO_TEST_REQUIRE=postgres,pgbouncer,redis,nginx,browser,axe,keycloak,oidc_provider,django` sets the
//! `cfg` of a missing one all the same: its tests then run, and fail.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

use std::{env, path::PathBuf};

#[allow(unreachable_pub, reason = "the harness hands it on, this script does not")]
#[path = "src/tools.rs"]
mod tools;

/// A `cfg`, and the programs that it requires: one of each line.
const NEEDS: [(&str, &[&[&str]]); 6] = [
    ("postgres", &[tools::INITDB, tools::POSTGRES]),
    ("pgbouncer", &[tools::INITDB, tools::POSTGRES, tools::PGBOUNCER]),
    ("redis", &[tools::REDIS]),
    ("openssl", &[tools::OPENSSL]),
    ("nginx", &[tools::NGINX, tools::OPENSSL]),
    ("browser", &[tools::BROWSER, tools::DRIVER]),
];

/// The identity providers that `tests/foreign/install` installs, and the programs that run them.
const FOREIGN: [(&str, &[&str]); 3] =
    [("keycloak", tools::JAVA), ("oidc_provider", tools::NODE), ("django", tools::PYTHON)];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/tools.rs");
    for variable in ["PATH", "PORTICO_TEST_REQUIRE", "TEST_DATABASE_URL"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let required = env::var("PORTICO_TEST_REQUIRE").unwrap_or_default();
    let mut complete = true;
    for (name, programs) in NEEDS {
        println!("cargo::rustc-check-cfg=cfg({name})");
        let found: Vec<Option<PathBuf>> = programs.iter().map(|names| tools::find(names)).collect();
        for program in found.iter().flatten() {
            println!("cargo::rerun-if-changed={}", program.display());
        }
        let given = name == "postgres" && env::var_os("TEST_DATABASE_URL").is_some();
        let present = found.iter().all(Option::is_some);
        complete &= present;
        if present || given || required.split(',').any(|word| word.trim() == name) {
            println!("cargo::rustc-cfg={name}");
        }
    }
    println!("cargo::rustc-check-cfg=cfg(axe)");
    println!("cargo::rerun-if-changed=axe");
    if std::path::Path::new(tools::AXE).is_file()
        || required.split(',').any(|word| word.trim() == "axe")
    {
        println!("cargo::rustc-cfg=axe");
    }
    println!("cargo::rerun-if-changed={}", tools::FOREIGN);
    for (name, runtime) in FOREIGN {
        println!("cargo::rustc-check-cfg=cfg({name})");
        let present = tools::foreign(name).is_some() && tools::find(runtime).is_some();
        if present || required.split(',').any(|word| word.trim() == name) {
            println!("cargo::rustc-cfg={name}");
        }
    }
    // Installing a program changes its folder. A file that does not exist cannot be watched:
    // cargo would consider it changed, and build again each time.
    if !complete {
        for folder in tools::folders() {
            println!("cargo::rerun-if-changed={}", folder.display());
        }
    }
    // `cargo metadata` shows the dependencies of one platform, those that are downloaded.
    if let Ok(target) = env::var("TARGET") {
        println!("cargo::rustc-env=PORTICO_TARGET={target}");
    }
}
