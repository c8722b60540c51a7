use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read},
    path::Path,
    time::{Duration, Instant},
};

use diesel::{
    Connection, RunQueryDsl, SqliteConnection as Blocking,
    connection::SimpleConnection,
    dsl::sql,
    migration::{Migration, MigrationSource},
    sql_types::{Bool, Text},
    sqlite::Sqlite as Sqlite3,
};
use diesel_async::{
    AsyncConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, deadpool::Pool},
    sync_connection_wrapper::SyncConnectionWrapper,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    APPLIED, DatabaseUnavailable, connection,
    examination::{not_migrated, require_all},
    is_current, unavailable, with_timeout,
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// The first statements of each connection. The busy timeout comes first, because turning on the
/// write-ahead log may have to wait.
const SETUP: &str = "pragma busy_timeout = 5000; pragma journal_mode = wal; \
     pragma synchronous = normal; pragma foreign_keys = on;";

/// Time to wait for another process that sets the file up.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);

/// SQLite lets one connection write at a time; others can read meanwhile.
const MAX_CONNECTIONS: usize = 4;

/// What every database file begins with (SQLite's file format, section 1.3.1).
const HEADER: &[u8] = b"SQLite format 3\0";

const NO_DATABASE: &str = "it is not a SQLite database";

const IN_MEMORY: &str = ":memory:";

/// What stays as it is in the path of a `file:` address.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Pages in memory would hide what happened to the file.
const FORGET_PAGES: &str = "pragma shrink_memory";

/// Writes a row that has always expired. Its value changes, because SQLite skips the write of a page
/// that stays the same.
const WRITE: &str = "insert into used_values (hash, expires_at) values (zeroblob(32), 0) \
     on conflict (hash) do update set expires_at = 1 - expires_at";

pub(crate) type SqliteConnection = SyncConnectionWrapper<Blocking>;

#[derive(Clone)]
pub(super) struct Sqlite {
    path: String,
    /// The file that the pool has opened. `None` in memory.
    file: Option<FileId>,
    pool: Pool<SqliteConnection>,
}

impl Sqlite {
    pub(super) fn open(path: &str) -> Result<Self, DatabaseUnavailable> {
        if path.is_empty() || path.contains('\0') {
            return Err(DatabaseUnavailable("the address names no SQLite file".into()));
        }
        let in_memory = path == IN_MEMORY;
        let file = if in_memory {
            None
        } else {
            Some(prepare(Path::new(path)).map_err(|error| named(path, error))?)
        };
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
        let manager = AsyncDieselConnectionManager::new_with_config(address(path), config);
        // Each connection to `:memory:` has a database of its own.
        let size = if in_memory { 1 } else { MAX_CONNECTIONS };
        let pool = Pool::builder(manager).max_size(size).build().map_err(unavailable)?;
        Ok(Self { path: path.into(), file, pool })
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
            let mut connection =
                Blocking::establish(&address(&path)).map_err(|error| named(&path, error))?;
            set_up(&mut connection).map_err(|error| named(&path, error))?;
            migrate(&mut connection).map_err(|error| named(&path, error))
        })
        .await
        .map_err(unavailable)?
    }

    pub(super) async fn check_version(&self) -> Result<(), DatabaseUnavailable> {
        let mut connection = connection(self.pool.get()).await?;
        let checked = connection.spawn_blocking(|c| Ok(refuse_newer(c))).await;
        checked.map_err(unavailable)?.map_err(|error| named(&self.path, error))
    }

    pub(super) fn describe(&self) -> String {
        format!("SQLite file {}", self.path)
    }

    pub(super) async fn check_migrated(&self) -> Result<(), DatabaseUnavailable> {
        let mut connection = connection(self.pool.get()).await?;
        let applied = diesel_async::RunQueryDsl::load(sql::<Text>(APPLIED), &mut connection);
        match with_timeout::<Vec<String>>(applied).await {
            Ok(applied) => require_all::<Sqlite3>(MIGRATIONS, Some(&applied)),
            Err(cause) if cause.0.contains("no such table") => {
                require_all::<Sqlite3>(MIGRATIONS, None)
            }
            Err(cause) => Err(named(&self.path, cause)),
        }
    }

    /// Writes a row, after a look at the file: a connection does not notice when its file is
    /// overwritten or deleted.
    pub(super) async fn check_write(&self) -> Result<(), DatabaseUnavailable> {
        let named = |error: &dyn fmt::Display| named(&self.path, error);
        if let Some(opened) = self.file {
            let path = self.path.clone();
            let file = tokio::task::spawn_blocking(move || identify(&File::open(path)?)).await;
            if file.map_err(unavailable)?.map_err(|error| named(&error))? != opened {
                return Err(named(&"it was replaced; restart the site"));
            }
        }
        let mut connection = connection(self.pool.get()).await?;
        with_timeout(connection.batch_execute(FORGET_PAGES)).await?;
        with_timeout(connection.batch_execute(WRITE)).await.map_err(|error| named(&error))
    }
}

/// Fails where the file is missing or empty, so that opening it would make a database.
pub(super) fn require_file(path: &str) -> Result<(), DatabaseUnavailable> {
    if path == IN_MEMORY {
        return Ok(());
    }
    match std::fs::metadata(path) {
        Ok(data) if data.len() > 0 => Ok(()),
        Ok(_) => Err(not_migrated(&format!(" (SQLite file {path} is empty)"))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(not_migrated(&format!(" (SQLite file {path} does not exist)")))
        }
        Err(error) => Err(named(path, error)),
    }
}

/// The address of the file for SQLite, which must not create it anew after it was deleted: it would
/// be empty, and readable by every user.
fn address(path: &str) -> String {
    if path == IN_MEMORY {
        return path.into();
    }
    let root = if path.starts_with('/') { "//" } else { "" };
    format!("file:{root}{}?mode=rw", utf8_percent_encode(path, PATH))
}

/// SQLite does not wait for its busy timeout when two processes turn on the write-ahead log of a new
/// file simultaneously: the second one has to retry.
fn set_up(connection: &mut Blocking) -> diesel::QueryResult<()> {
    let start = Instant::now();
    loop {
        match connection.batch_execute(SETUP) {
            Err(error)
                if error.to_string().contains("locked") && start.elapsed() < SETUP_TIMEOUT =>
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
            let done = refuse_newer(connection)
                .and_then(|()| connection.run_pending_migrations(MIGRATIONS).map(drop));
            done.map_err(diesel::result::Error::QueryBuilderError)
        })
        .map_err(unavailable)
}

fn refuse_newer(connection: &mut Blocking) -> diesel::migration::Result<()> {
    let exists = "exists (select 1 from sqlite_master where name = '__diesel_schema_migrations')";
    if diesel::select(sql::<Bool>(exists)).get_result(connection)? {
        let applied: Vec<String> = sql::<Text>(APPLIED).load(connection)?;
        let embedded: Vec<Box<dyn Migration<Sqlite3>>> = MIGRATIONS.migrations()?;
        is_current(&applied, &embedded)?;
    }
    Ok(())
}

/// Creates the file before SQLite does, which would make it readable by every user. An existing file
/// keeps its mode, and must be one that SQLite can use: SQLite opens a file that it cannot write
/// for reading, and says so at the first write only.
fn prepare(path: &Path) -> io::Result<FileId> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let mut new = options.clone();
    new.create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
    match new.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        done => return id_of(&done?),
    }
    let file = options.open(path)?;
    // An empty file is an empty database.
    if file.metadata()?.len() == 0 { id_of(&file) } else { identify(&file) }
}

/// Tells a file from another one with the same path: its device and number.
type FileId = (u64, u64);

/// Fails where the file does not begin as a SQLite database.
fn identify(file: &File) -> io::Result<FileId> {
    let mut start = Vec::new();
    file.take(HEADER.len() as u64).read_to_end(&mut start)?;
    if start == HEADER {
        id_of(file)
    } else {
        Err(io::Error::new(ErrorKind::InvalidData, NO_DATABASE))
    }
}

#[cfg(unix)]
fn id_of(file: &File) -> io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn id_of(_: &File) -> io::Result<FileId> {
    Ok((0, 0))
}

/// Names the file, the cause and, if the file is at fault, the remedy.
fn named(path: &str, cause: impl fmt::Display) -> DatabaseUnavailable {
    let cause = cause.to_string();
    let mentions = |texts: &[&str]| texts.iter().any(|text| cause.contains(text));
    let remedy = if mentions(&[NO_DATABASE, "malformed", "already exists"]) {
        "; move it away, or set DATABASE_URL to another file"
    } else if mentions(&["os error", "readonly", "unable to open"]) {
        "; make the file and its folder writable, or set DATABASE_URL to another file"
    } else {
        ""
    };
    DatabaseUnavailable(format!("SQLite file {path}: {cause}{remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls;

    const USER: &str = "insert into users (issuer, subject, first_seen, last_login, logins) \
         values ('https://id.example', 'ada', 1, 1, 1)";

    #[tokio::test]
    async fn refuses_file_that_newer_version_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portico.db").display().to_string();
        let database = || {
            let url = format!("sqlite://{path}");
            super::super::Database::open(&url, tls::client_config(None).unwrap()).unwrap()
        };
        database().migrate().await.unwrap();
        assert_eq!(database().check_version().await, Ok(()));
        let mut connection = Blocking::establish(&path).unwrap();
        connection
            .batch_execute("insert into __diesel_schema_migrations (version) values ('20991231')")
            .unwrap();
        let refused = database().migrate().await.unwrap_err().to_string();
        assert_eq!(refused, database().check_version().await.unwrap_err().to_string());
        assert!(refused.starts_with(&format!("SQLite file {path}: a newer version")), "{refused}");
        assert!(refused.contains("20991231") && refused.contains("DATABASE_URL"), "{refused}");
    }

    #[tokio::test]
    async fn migrates_file_of_each_earlier_version() {
        let migrations = MigrationHarness::<Sqlite3>::pending_migrations;
        let folder = tempfile::tempdir().unwrap();
        let all = {
            let mut empty = Blocking::establish(IN_MEMORY).unwrap();
            migrations(&mut empty, MIGRATIONS).unwrap().len()
        };
        for earlier in 1..=all {
            let path = folder.path().join(format!("{earlier}.db")).display().to_string();
            let mut connection = Blocking::establish(&path).unwrap();
            for migration in migrations(&mut connection, MIGRATIONS).unwrap().iter().take(earlier) {
                connection.run_migration(migration).unwrap();
            }
            connection.batch_execute(USER).unwrap();
            drop(connection);

            let url = format!("sqlite://{path}");
            let database =
                super::super::Database::open(&url, tls::client_config(None).unwrap()).unwrap();
            database.migrate().await.unwrap();
            let users = crate::users::diesel_users(&database).list(10).await.unwrap();
            assert_eq!(users.len(), 1, "{earlier}");
            let mut connection = Blocking::establish(&path).unwrap();
            assert!(migrations(&mut connection, MIGRATIONS).unwrap().is_empty(), "{earlier}");
        }
    }
}
