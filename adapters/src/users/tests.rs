use std::{os::unix::fs::PermissionsExt, sync::Arc};

use chrono::DateTime;
use portico_contracts::user_repository_contract;
use portico_domain::{
    model::{Profile, Subject},
    ports::UserRepository,
};
use tempfile::TempDir;

use super::diesel_users;
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

async fn sqlite_users() -> (Arc<dyn UserRepository>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&in_folder(&folder)).unwrap();
    database.migrate().await.unwrap();
    (diesel_users(&database), folder)
}

user_repository_contract!(sqlite_users());

#[tokio::test]
async fn keeps_users_across_restart() {
    let folder = tempfile::tempdir().unwrap();
    for logins in [1, 2] {
        let database = open(&in_folder(&folder)).unwrap();
        database.migrate().await.unwrap();
        let users = diesel_users(&database);
        let user = users
            .record_login(&Subject::new("i", "s"), &Profile::default(), DateTime::UNIX_EPOCH)
            .await;
        assert_eq!(user.unwrap().logins, logins);
    }
}

#[tokio::test]
async fn file_is_readable_by_owner_only() {
    let (_users, folder) = sqlite_users().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_migrate_simultaneously() {
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
async fn works_in_memory() {
    let database = open("sqlite://:memory:").unwrap();
    database.migrate().await.unwrap();
    database.migrate().await.unwrap();
    assert_eq!(diesel_users(&database).list(1).await, Ok(Vec::new()));
}

#[tokio::test]
async fn drops_nul_from_profiles_and_refuses_it_in_keys() {
    let (users, _folder) = sqlite_users().await;
    let profile = Profile { name: Some("J\0o".into()), ..Profile::default() };
    let user =
        users.record_login(&Subject::new("i", "s"), &profile, DateTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(user.profile.name.as_deref(), Some("Jo"));
    let long = "x".repeat(1_001);
    for (issuer, subject) in [("i\0", "s"), ("i", "\0"), ("i", &*long)] {
        let user = users
            .record_login(&Subject::new(issuer, subject), &profile, DateTime::UNIX_EPOCH)
            .await;
        assert!(user.is_err());
    }
}

#[tokio::test]
async fn reports_missing_server_without_waiting() {
    // Port 1 on loopback refuses connections.
    let database = open("postgres://jo:hunter2@127.0.0.1:1/portico").unwrap();
    let error = diesel_users(&database).check().await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    assert!(database.migrate().await.is_err());
}

#[test]
fn errors_never_contain_the_address() {
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
fn accepts_every_safe_sslmode_of_libpq() {
    for mode in ["disable", "prefer", "require", "verify-ca", "verify-full"] {
        let url = format!("postgresql://jo@host/portico?connect_timeout=1&sslmode={mode}");
        assert!(open(&url).is_ok(), "{mode}");
    }
    assert!(open("postgres://host/portico?sslmode=allow-anything").is_err());
}

#[test]
fn names_file_that_cannot_be_created() {
    let error = open("sqlite:///nowhere/at/all.db").unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all.db"), "{error}");
    assert!(open("sqlite://").is_err());
}
