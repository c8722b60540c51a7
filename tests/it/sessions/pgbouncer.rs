//! PgBouncer in transaction mode: each transaction may run on another server connection.

use portico_tests::pgbouncer::PgBouncer;

use super::*;

#[tokio::test]
#[cfg_attr(not(pgbouncer), ignore = "PgBouncer is missing: apt-get install postgresql pgbouncer")]
async fn sessions_and_migrations_work_behind_pgbouncer() {
    let server = Postgres::start();
    let pooler = PgBouncer::before(&server);
    // No lock of an earlier migration is left.
    for _ in 0..6 {
        assert_eq!(open(&pooler.url()).migrate().await, Ok(()));
    }
    let mut shared = Shared::new(Kind::Sqlite).await;
    shared.kind = Kind::Postgres;
    shared.url = pooler.url();
    let processes = [shared.process(KEY, &[]), shared.process(KEY, &[])];
    let mut visits = tokio::task::JoinSet::new();
    for number in 0..24 {
        let process = processes[number % 2].clone();
        visits.spawn(async move {
            let browser = process.new_browser().await;
            browser.start(&fixtures::session()).await.unwrap();
            for _ in 0..5 {
                assert_eq!(browser.current().await, Ok(Some(fixtures::session())));
            }
            browser.end().await.unwrap();
            assert_eq!(browser.current().await, Ok(None));
            assert_eq!(process.registry.check().await, Ok(()));
        });
    }
    visits.join_all().await;
}
