//! Stores that answer and cannot be written.

use std::path::PathBuf;

use portico_adapters::users::diesel_users;
use portico_contracts::{
    ReadOnly, sessions::check_notices_store_that_cannot_be_written,
    users::check_notices_storage_that_cannot_be_written,
};

use super::*;

/// A SQLite file that something else overwrites.
struct File {
    path: PathBuf,
}

impl File {
    fn of(shared: &Shared) -> Self {
        Self { path: shared.url.strip_prefix("sqlite://").unwrap().into() }
    }
}

#[async_trait]
impl ReadOnly for File {
    async fn refuse_writes(&mut self) {
        let size = std::fs::metadata(&self.path).unwrap().len();
        std::fs::write(&self.path, vec![0xA5; usize::try_from(size).unwrap()]).unwrap();
    }

    async fn accept_writes(&mut self) -> bool {
        // SQLite may have logged changes of the overwritten pages. The operator stops the site before
        // the file is restored (docs/operate.md).
        false
    }
}

#[tokio::test]
async fn check_notices_sqlite_file_that_is_overwritten() {
    for kind in [Kind::CookiesWithSqlite, Kind::Sqlite] {
        let shared = Shared::new(kind).await;
        let mut file = File::of(&shared);
        check_notices_store_that_cannot_be_written(Arc::new(shared), &mut file).await;
    }
    let shared = Shared::new(Kind::Sqlite).await;
    let users = diesel_users(&open(&shared.url));
    check_notices_storage_that_cannot_be_written(users, &mut File::of(&shared)).await;
}

#[tokio::test]
#[cfg_attr(not(postgres), ignore = "PostgreSQL is missing: apt-get install postgresql")]
async fn check_notices_postgres_that_is_read_only() {
    for kind in [Kind::CookiesWithPostgres, Kind::Postgres] {
        let (site, mut server) = site_with_server(kind).await;
        check_notices_store_that_cannot_be_written(site, &mut server).await;
        let users = diesel_users(&open(&server.url()));
        check_notices_storage_that_cannot_be_written(users, &mut server).await;
    }
}

#[tokio::test]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
async fn check_notices_redis_that_is_a_replica() {
    let mut shared = Shared::new(Kind::Redis).await;
    let mut server = shared.redis.take().unwrap();
    check_notices_store_that_cannot_be_written(Arc::new(shared), &mut server).await;
}
