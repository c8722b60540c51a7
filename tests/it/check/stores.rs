use portico_adapters::{database::Database, tls, users::diesel_users};
use portico_contracts::ReadOnly;
use portico_tests::{
    pgbouncer::PgBouncer,
    postgres::{Postgres, Schema},
    redis::Redis,
};

use super::Setup;

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn postgres_that_is_not_migrated_fails() {
    let setup = Setup::new().await;
    let schema = Schema::fresh();
    let url = schema.url();
    let settings = [("DATABASE_URL", &*url), ("AUTO_MIGRATE", "false")];
    let checked = setup.check(&settings).await;
    checked.assert_ok("database", "reachable");
    checked.assert_failed("database", "migrated", "not migrated: run `portico migrate`");
    assert_eq!(checked.result("database", "writable").0, "skipped");
    checked.assert_failed("sessions", "writable", "run `portico migrate`");

    let checked = setup.check(&[("DATABASE_URL", &url)]).await;
    checked.assert_success();
    checked.assert_ok("database", "role");
    assert!(checked.result("database", "pooler").1.contains("none"), "{:#}", checked.document);
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn postgres_that_refuses_writes_fails() {
    let setup = Setup::new().await;
    let mut server = Postgres::start();
    let url = server.url();
    setup.check(&[("DATABASE_URL", &url)]).await.assert_success();
    server.refuse_writes().await;
    let checked = setup.check(&[("DATABASE_URL", &url), ("AUTO_MIGRATE", "false")]).await;
    checked.assert_ok("database", "migrated");
    checked.assert_failed("database", "writable", "read-only");
}

#[tokio::test]
#[cfg_attr(not(pgbouncer), ignore = "PgBouncer is missing: apt-get install postgresql pgbouncer")]
async fn recognises_transaction_pooler() {
    let setup = Setup::new().await;
    let server = Postgres::start();
    let pooler = PgBouncer::before(&server);
    for _ in 0..3 {
        let checked = setup.check(&[("DATABASE_URL", &pooler.url())]).await;
        checked.assert_success();
        let (_, text) = checked.result("database", "pooler");
        assert!(text.contains("through a transaction pooler"), "{text}");
    }
}

#[tokio::test]
async fn postgres_that_is_down_fails_without_its_password() {
    let setup = Setup::new().await;
    let url = "postgres://portico:hunter2@127.0.0.1:1/portico";
    let checked = setup.check(&[("DATABASE_URL", url), ("AUTO_MIGRATE", "false")]).await;
    checked.assert_failed("database", "reachable", "Connection refused");
    checked.assert_failed("sessions", "writable", "Connection refused");
    checked.assert_ok("provider", "discovery");
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn redis_that_evicts_or_follows_fails() {
    let setup = Setup::new().await;
    let mut redis = Redis::start();
    let url = redis.url();
    let settings = [("SESSION_STORE", "redis"), ("REDIS_URL", &*url)];
    let checked = setup.check(&settings).await;
    checked.assert_success();
    for name in ["writable", "role", "eviction policy"] {
        checked.assert_ok("sessions", name);
    }

    redis.set("maxmemory-policy", "allkeys-lru");
    let checked = setup.check(&settings).await;
    checked.assert_failed("sessions", "eviction policy", "allkeys-lru");
    checked.assert_ok("sessions", "writable");

    redis.refuse_writes().await;
    let checked = setup.check(&settings).await;
    checked.assert_failed("sessions", "writable", "READONLY");
    checked.assert_failed("sessions", "role", "replica");
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn redis_with_wrong_password_fails_and_is_tried_without_a_database() {
    let setup = Setup::new().await;
    let redis = Redis::with_password("correct-horse");
    let right = redis.url();
    let wrong = right.replace("correct-horse", "hunter2");
    let settings = |url| [("SESSION_STORE", "redis"), ("REDIS_URL", url), ("DATABASE_URL", "x")];
    let checked = setup.check(&settings(&*right)).await;
    checked.assert_ok("sessions", "writable");
    let checked = setup.check(&settings(&*wrong)).await;
    assert_eq!(checked.result("sessions", "writable").0, "failed");
}

#[tokio::test]
async fn readiness_agrees_that_an_empty_database_is_not_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("portico.db").display());
    let database = Database::open(&url, tls::client_config(None).unwrap()).unwrap();
    // What `/health/ready` asks.
    let users = diesel_users(&database);
    let cause = users.check().await.unwrap_err().0;
    assert_eq!(cause, "not migrated: run `portico migrate`");
    database.migrate().await.unwrap();
    assert_eq!(users.check().await, Ok(()));
}
