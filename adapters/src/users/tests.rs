use std::{os::unix::fs::PermissionsExt, sync::Arc};

use chrono::DateTime;
use portico_contracts::user_repository_contract;
use portico_domain::{model::Profile, ports::UserRepository};
use tempfile::TempDir;

use crate::{
    database::{Database, DatabaseUnavailable},
    tls,
};

fn open(url: &str) -> Result<Database, DatabaseUnavailable> {
    Database::open(url, tls::client_config(None).unwrap())
}

fn in_folder(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("portico.db").display())
}

async fn on_sqlite() -> (Arc<dyn UserRepository>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&in_folder(&folder)).unwrap();
    database.migrate().await.unwrap();
    (database.users(), folder)
}

user_repository_contract!(on_sqlite());

#[tokio::test]
async fn people_are_still_known_when_the_site_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for logins in [1, 2] {
        let database = open(&in_folder(&folder)).unwrap();
        database.migrate().await.unwrap();
        let users = database.users();
        let user = users.record_login("i", "s", &Profile::default(), DateTime::UNIX_EPOCH).await;
        assert_eq!(user.unwrap().logins, logins);
    }
}

#[tokio::test]
async fn the_file_is_readable_by_its_owner_only() {
    let (_users, folder) = on_sqlite().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_may_migrate_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = in_folder(&folder);
    let migrations: Vec<_> = (0..8)
        .map(|_| open(&url).unwrap())
        .map(|database| tokio::spawn(async move { database.migrate().await }))
        .collect();
    for migration in migrations {
        assert_eq!(migration.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_database_may_live_in_memory() {
    let database = open("sqlite://:memory:").unwrap();
    database.migrate().await.unwrap();
    database.migrate().await.unwrap();
    assert_eq!(database.users().list(1).await, Ok(Vec::new()));
}

#[tokio::test]
async fn nul_characters_are_left_out_of_profiles_and_refused_in_keys() {
    let (users, _folder) = on_sqlite().await;
    let profile = Profile { name: Some("J\0o".into()), ..Profile::default() };
    let user = users.record_login("i", "s", &profile, DateTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(user.profile.name.as_deref(), Some("Jo"));
    let long = "x".repeat(1_001);
    for (issuer, subject) in [("i\0", "s"), ("i", "\0"), ("i", &*long)] {
        let user = users.record_login(issuer, subject, &profile, DateTime::UNIX_EPOCH).await;
        assert!(user.is_err());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_so_and_not_waited_for() {
    // Port 1 on loopback refuses connections.
    let database = open("postgres://jo:hunter2@127.0.0.1:1/portico").unwrap();
    let error = database.users().check().await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    assert!(database.migrate().await.is_err());
}

#[test]
fn no_error_shows_an_address_that_may_hold_a_password() {
    for url in [
        "postgres://jo:hunter2@host:port/portico",
        "postgres://jo@host/portico?hunter2=1",
        "mysql://jo:hunter2@host/portico",
        "hunter2",
    ] {
        let error = open(url).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn every_sslmode_of_libpq_that_is_safe_is_taken() {
    for mode in ["disable", "prefer", "require", "verify-ca", "verify-full"] {
        let url = format!("postgresql://jo@host/portico?connect_timeout=1&sslmode={mode}");
        assert!(open(&url).is_ok(), "{mode}");
    }
    assert!(open("postgres://host/portico?sslmode=allow-anything").is_err());
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    let error = open("sqlite:///nowhere/at/all.db").unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all.db"), "{error}");
    assert!(open("sqlite://").is_err());
}
