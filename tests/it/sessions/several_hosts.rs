//! PostgreSQL with several hosts in `DATABASE_URL`.

use std::net::{Ipv4Addr, TcpListener};

use portico_adapters::users::diesel_users;
use portico_contracts::ReadOnly;

use super::*;

fn url(ports: [u16; 2]) -> String {
    let [first, second] = ports;
    format!(
        "postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres\
         ?target_session_attrs=read-write"
    )
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn reaches_the_host_behind_one_that_hangs() {
    let server = Postgres::start();
    // The system accepts connections, and no program answers.
    let hangs = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let database = open(&url([hangs.local_addr().unwrap().port(), server.port()]));
    assert_eq!(database.migrate().await, Ok(()));
    assert_eq!(diesel_users(&database).list(1).await, Ok(Vec::new()));
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn leaves_the_host_that_refuses_writes() {
    let (mut first, second) = (Postgres::start(), Postgres::start());
    for server in [&first, &second] {
        open(&server.url()).migrate().await.unwrap();
    }
    let mut shared = Shared::new(Kind::Sqlite).await;
    shared.kind = Kind::Postgres;
    shared.url = url([first.port(), second.port()]);
    let process = shared.process(KEY, &[]);
    let mut checks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let registry = process.registry.clone();
        checks.spawn(async move { registry.check().await });
    }
    assert!(checks.join_all().await.iter().all(Result::is_ok));
    first.refuse_writes().await;
    // One request finds it out, and no connection to the host is used again.
    assert!(process.registry.check().await.is_err());
    for _ in 0..10 {
        assert_eq!(process.registry.check().await, Ok(()));
    }
}
