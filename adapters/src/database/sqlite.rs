use std::{
    fs::OpenOptions,
    io::{self, ErrorKind},
    path::Path,
    time::{Duration, Instant},
};

use diesel::{Connection, SqliteConnection as Blocking, connection::SimpleConnection};
use diesel_async::{
    AsyncConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, deadpool::Pool},
    sync_connection_wrapper::SyncConnectionWrapper,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{DatabaseUnavailable, unavailable};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// The first statements of each connection. The busy timeout comes first, because turning on the
/// write-ahead log may have to wait.
const SETUP: &str = "pragma busy_timeout = 5000; pragma journal_mode = wal; \
     pragma synchronous = normal; pragma foreign_keys = on;";

/// Time to wait for another process that sets the file up.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);

/// SQLite lets one connection write at a time; others can read meanwhile.
const MAX_CONNECTIONS: usize = 4;

const IN_MEMORY: &str = ":memory:";

pub(crate) type SqliteConnection = SyncConnectionWrapper<Blocking>;

#[derive(Clone)]
pub(super) struct Sqlite {
    path: String,
    pool: Pool<SqliteConnection>,
}

impl Sqlite {
    pub(super) fn open(path: &str) -> Result<Self, DatabaseUnavailable> {
        if path.is_empty() || path.contains('\0') {
            return Err(DatabaseUnavailable("the address names no SQLite file".into()));
        }
        let in_memory = path == IN_MEMORY;
        if !in_memory {
            create(Path::new(path))
                .map_err(|error| DatabaseUnavailable(format!("SQLite file {path}: {error}")))?;
        }
        let mut config = ManagerConfig::default();
        config.custom_setup = Box::new(|path| {
            Box::pin(async move {
                let mut connection = SqliteConnection::establish(path).await?;
                connection
                    .batch_execute(SETUP)
                    .await
                    .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(connection)
            })
        });
        let manager = AsyncDieselConnectionManager::new_with_config(path, config);
        // Each connection to `:memory:` has a database of its own.
        let size = if in_memory { 1 } else { MAX_CONNECTIONS };
        let pool = Pool::builder(manager).max_size(size).build().map_err(unavailable)?;
        Ok(Self { path: path.into(), pool })
    }

    pub(super) fn pool(&self) -> Pool<SqliteConnection> {
        self.pool.clone()
    }

    pub(super) async fn migrate(&self) -> Result<(), DatabaseUnavailable> {
        if self.path == IN_MEMORY {
            let mut connection = self.pool.get().await.map_err(unavailable)?;
            return connection.spawn_blocking(|c| Ok(migrate(c))).await.map_err(unavailable)?;
        }
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            let mut connection = Blocking::establish(&path).map_err(unavailable)?;
            set_up(&mut connection).map_err(unavailable)?;
            migrate(&mut connection)
        })
        .await
        .map_err(unavailable)?
    }
}

/// SQLite does not wait for its busy timeout when two processes turn on the write-ahead log of a new
/// file at once: the second one has to try again.
fn set_up(connection: &mut Blocking) -> diesel::QueryResult<()> {
    let begun = Instant::now();
    loop {
        match connection.batch_execute(SETUP) {
            Err(error)
                if error.to_string().contains("locked") && begun.elapsed() < SETUP_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

/// One transaction that locks the database from its start: of two processes that migrate at once,
/// the second one waits and finds nothing left to do.
fn migrate(connection: &mut Blocking) -> Result<(), DatabaseUnavailable> {
    connection
        .immediate_transaction(|connection| {
            let done = connection.run_pending_migrations(MIGRATIONS);
            done.map(|_| ()).map_err(diesel::result::Error::QueryBuilderError)
        })
        .map_err(unavailable)
}

/// Creates the file before SQLite does, which would make it readable by everybody. An existing file
/// keeps its mode.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
