//! `portico check` with real servers, and with a fault for each thing that it tries.

mod api;
mod provider;
mod stores;

use portico_development::DevelopmentServers;
use portico_tests::site::{servers_for, settings};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

/// The port of `PUBLIC_URL`; nothing listens on it.
const PORT: u16 = 4_040;

/// Passwords and secrets that must not be in any output.
const SECRETS: [&str; 3] = ["hunter2", "correct-horse", portico_tests::site::CLIENT_SECRET];

/// A key made at random.
const KEY: &str = "z5Jw1kq0fXrVbN7sQe2LhUoYtC9mGdA4iPx8TnRvEwM=";

/// A provider and an API, and a folder for the database.
struct Setup {
    servers: DevelopmentServers,
    folder: TempDir,
}

/// What the program printed with `--json`, and its exit code.
struct Checked {
    code: Option<i32>,
    document: Value,
}

impl Setup {
    async fn new() -> Self {
        let public = Url::parse(&format!("http://127.0.0.1:{PORT}/")).unwrap();
        Self { servers: servers_for(&public).await, folder: tempfile::tempdir().unwrap() }
    }

    /// Runs `portico check --json` in the debug profile with these settings over those of a site in
    /// which all is well.
    async fn check(&self, overrides: &[(&'static str, &str)]) -> Checked {
        let overrides: Vec<_> =
            overrides.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let output = Command::new(env!("CARGO_BIN_EXE_portico-under-test"))
            .args(["check", "--json"])
            .current_dir(&self.folder)
            .env_clear()
            .env("ROCKET_PROFILE", "debug")
            .envs(settings(PORT, self.folder.path(), &self.servers, &overrides))
            .envs(
                overrides
                    .iter()
                    .all(|(key, _)| *key != "ROCKET_SECRET_KEY")
                    .then_some(("ROCKET_SECRET_KEY", KEY)),
            )
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        for secret in SECRETS {
            assert!(!stdout.contains(secret) && !stderr.contains(secret), "{stdout}{stderr}");
        }
        let document = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
        Checked { code: output.status.code(), document }
    }
}

impl Checked {
    /// Status and text of one check.
    #[track_caller]
    fn result(&self, area: &str, name: &str) -> (&str, &str) {
        let rows = self.document["checks"].as_array().unwrap();
        let row = rows.iter().find(|row| row["area"] == area && row["name"] == name);
        let row = row.unwrap_or_else(|| panic!("no {area}, {name}: {:#}", self.document));
        (row["status"].as_str().unwrap(), row["text"].as_str().unwrap())
    }

    #[track_caller]
    fn assert_ok(&self, area: &str, name: &str) {
        let (status, text) = self.result(area, name);
        assert_eq!(status, "ok", "{text}");
    }

    /// This check failed with a text that contains this part, and with it the command.
    #[track_caller]
    fn assert_failed(&self, area: &str, name: &str, part: &str) {
        let (status, text) = self.result(area, name);
        assert_eq!(status, "failed", "{text}");
        assert!(text.contains(part), "{text}");
        assert_eq!(self.code, Some(1));
        assert_eq!(self.document["ok"], false);
    }

    /// This check warns with a text that contains this part.
    #[track_caller]
    fn assert_warns(&self, area: &str, name: &str, part: &str) {
        let (status, text) = self.result(area, name);
        assert_eq!(status, "warning", "{text}");
        assert!(text.contains(part), "{text}");
    }

    /// Nothing failed.
    #[track_caller]
    fn assert_success(&self) {
        assert_eq!(self.document["ok"], true, "{:#}", self.document);
        assert_eq!(self.code, Some(0));
    }
}

#[tokio::test]
async fn succeeds_when_all_is_well() {
    let checked = Setup::new().await.check(&[]).await;
    checked.assert_success();
    for (area, name) in [
        ("database", "migrated"),
        ("database", "writable"),
        ("sessions", "writable"),
        ("sessions", "cookie size"),
        ("provider", "discovery"),
        ("provider", "algorithms"),
        ("provider", "log-out endpoint"),
        ("provider", "clock"),
        ("provider", "client credentials"),
        ("provider", "callback address"),
        ("API", "public"),
        ("API", "protected"),
        ("settings", "templates"),
        ("register", "callback"),
    ] {
        checked.assert_ok(area, name);
    }
    let (_, callback) = checked.result("register", "callback");
    assert!(callback.starts_with("http://127.0.0.1:4040/callback "), "{callback}");
}

#[tokio::test]
async fn notices_secrets_that_can_be_guessed() {
    let setup = Setup::new().await;
    let weak = portico_tests::site::SECRET_KEY;
    setup.check(&[("ROCKET_SECRET_KEY", weak)]).await.assert_failed(
        "settings",
        "weak key",
        "portico secret",
    );
    let checked = setup.check(&[("OIDC_CLIENT_SECRET", "hunter2")]).await;
    checked.assert_warns("settings", "client secret", "shorter than 16 characters");
}

#[tokio::test]
async fn warns_of_missing_and_of_too_many_trusted_proxies() {
    let setup = Setup::new().await;
    let https = ("PUBLIC_URL", "https://portico.example");
    let checked = setup.check(&[https]).await;
    checked.assert_warns("settings", "proxy headers", "set TRUSTED_PROXIES");
    let checked = setup.check(&[https, ("TRUSTED_PROXIES", "10.0.0.0/8")]).await;
    checked.assert_ok("settings", "proxy headers");
    let checked = setup.check(&[("TRUSTED_PROXIES", "0.0.0.0/0")]).await;
    checked.assert_warns("settings", "proxy headers", "every address");
}
