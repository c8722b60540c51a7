// Shared by the harness and its build script, so that a test is ignored exactly when the
// program it would start is missing. Without `//!`: a build script includes this file as well.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The names under which systems install Chromium, or a browser that its driver supports.
pub const BROWSER: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
/// The driver of the browser.
pub const DRIVER: &[&str] = &["chromedriver"];
/// The accessibility checker axe-core (npm), in the folder of this crate.
pub const AXE: &str = "axe/node_modules/axe-core/axe.min.js";
/// Redis, or its successor with the same protocol.
pub const REDIS: &[&str] = &["redis-server", "valkey-server"];
/// Creates a PostgreSQL data folder.
pub const INITDB: &[&str] = &["initdb"];
/// The PostgreSQL server.
pub const POSTGRES: &[&str] = &["postgres"];

/// A pooler of PostgreSQL connections.
pub const PGBOUNCER: &[&str] = &["pgbouncer"];
/// A reverse proxy.
pub const NGINX: &[&str] = &["nginx"];
/// Makes certificates.
pub const OPENSSL: &[&str] = &["openssl"];
/// Runs Keycloak.
pub const JAVA: &[&str] = &["java"];
/// Runs the npm package `oidc-provider`.
pub const NODE: &[&str] = &["node"];
/// Runs Django.
pub const PYTHON: &[&str] = &["python3"];

/// The folder, in that of this crate, where `tests/foreign/install` writes a file for each identity
/// provider.
pub const FOREIGN: &str = "foreign/installed";

/// Where `tests/foreign/install` put an identity provider; `None` where it did not, or where the
/// folder was removed since.
#[must_use]
pub fn foreign(name: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOREIGN).join(name);
    let folder = PathBuf::from(std::fs::read_to_string(file).ok()?.trim_end());
    folder.is_dir().then_some(folder)
}

/// The first program among `names` that is on the `PATH`, or where Debian keeps PostgreSQL's
/// servers (newest version first); `None` when none is there.
#[must_use]
pub fn find(names: &[&str]) -> Option<PathBuf> {
    let folders = folders();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// The folders in which [`find`] looks, those that exist.
#[must_use]
pub fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut servers: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path()).collect())
        .unwrap_or_default();
    let number = |folder: &PathBuf| -> u32 {
        folder.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
    };
    servers.sort_by_key(|folder| std::cmp::Reverse(number(folder)));
    env::split_paths(&path)
        .chain(servers.into_iter().map(|version| version.join("bin")))
        // Debian's PgBouncer is here, which the PATH of a user may lack.
        .chain([PathBuf::from("/usr/sbin")])
        .filter(|folder| folder.is_absolute() && folder.is_dir())
        .collect()
}
