//! Users in PostgreSQL, and simultaneous migrations.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use chrono::DateTime;
use portico_adapters::{database::Database, tls, users::diesel_users};
use portico_contracts::{self, user_repository_contract};
use portico_domain::{
    model::{Profile, Subject},
    ports::UserRepository,
};
use portico_tests::postgres::{Postgres, Schema};

fn open(url: &str) -> Database {
    Database::open(url, tls::client_config(None).unwrap()).unwrap()
}

async fn on_postgres() -> (Arc<dyn UserRepository>, Schema) {
    let schema = Schema::fresh();
    let database = open(&schema.url());
    database.migrate().await.unwrap();
    (diesel_users(&database), schema)
}

user_repository_contract!(
    on_postgres(),
    #[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
);

/// Each round uses a new file, which four tasks open and migrate.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_migrate_new_sqlite_file_simultaneously() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("portico.db").display());
        let start = Arc::new(tokio::sync::Barrier::new(4));
        let migrations: Vec<_> = (0..4)
            .map(|_| (open(&url), start.clone()))
            .map(|(database, start)| {
                tokio::spawn(async move {
                    start.wait().await;
                    database.migrate().await
                })
            })
            .collect();
        for migration in migrations {
            assert_eq!(migration.await.unwrap(), Ok(()));
        }
    }
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn role_without_create_privilege_starts_on_migrated_schema() {
    let server = Postgres::start();
    open(&server.url()).migrate().await.unwrap();
    server.run(
        "create role site login; grant usage on schema public to site; \
         grant select, insert, update, delete on all tables in schema public to site",
    );
    let restricted = server.url().replace("postgres@", "site@");
    assert_eq!(open(&restricted).migrate().await, Ok(()));
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn refuses_schema_that_newer_version_migrated() {
    let server = Postgres::start();
    let database = open(&server.url());
    assert_eq!(database.check_version().await, Ok(()));
    database.migrate().await.unwrap();
    assert_eq!(database.check_version().await, Ok(()));
    server.run("insert into __diesel_schema_migrations (version) values ('20991231')");
    let refused = database.migrate().await.unwrap_err().to_string();
    assert!(refused.starts_with("a newer version") && refused.contains("20991231"), "{refused}");
    assert_eq!(database.check_version().await.unwrap_err().to_string(), refused);
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn processes_migrate_simultaneously() {
    let schema = Schema::fresh();
    let migrations: Vec<_> = (0..8)
        .map(|_| open(&schema.url()))
        .map(|database| tokio::spawn(async move { database.migrate().await }))
        .collect();
    for migration in migrations {
        assert_eq!(migration.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn drops_nul_from_profiles_and_refuses_it_in_keys() {
    let (users, _schema) = on_postgres().await;
    let profile = Profile { name: Some("J\0o".into()), ..Profile::default() };
    let user =
        users.record_login(&Subject::new("i", "s"), &profile, DateTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(user.profile.name.as_deref(), Some("Jo"));
    let longest: String = ('!'..='~').cycle().take(1_000).collect();
    assert!(
        users
            .record_login(&Subject::new(&longest, &longest), &profile, DateTime::UNIX_EPOCH)
            .await
            .is_ok()
    );
    assert!(
        users
            .record_login(&Subject::new("i\0", "s"), &profile, DateTime::UNIX_EPOCH)
            .await
            .is_err()
    );
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn reports_outage_and_loses_nothing() {
    let mut server = Postgres::start();
    let database = open(&server.url());
    database.migrate().await.unwrap();
    portico_contracts::users::reports_outage_and_loses_nothing(
        diesel_users(&database),
        &mut server,
    )
    .await;
}
