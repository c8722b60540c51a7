use diesel::{
    QueryResult,
    connection::CacheSize,
    dsl::sql,
    pg::Pg,
    sql_types::{Bool, Integer, Text},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use portico_domain::model::Check;

use super::{HAS_MIGRATIONS, MIGRATIONS, Postgres};
use crate::database::{
    APPLIED, DatabaseUnavailable, connection, examination::require_all, unavailable, with_timeout,
};

impl Postgres {
    /// # Errors
    /// [`DatabaseUnavailable`] when the server is out of reach.
    pub(in crate::database) async fn examine(&self) -> Result<Vec<Check>, DatabaseUnavailable> {
        let mut pooled = connection(self.pool.get()).await?;
        let version = sql::<Text>("select current_setting('server_version')");
        let version: String = with_timeout(version.get_result(&mut pooled)).await?;
        let standby = sql::<Bool>("select pg_is_in_recovery()");
        let standby: bool = with_timeout(standby.get_result(&mut pooled)).await?;
        let mut checks = vec![Check::passed("reachable", format!("PostgreSQL {version}"))];
        checks.push(if standby {
            Check::failed(
                "role",
                "a standby, which accepts no writes: DATABASE_URL must lead to the primary",
            )
        } else {
            Check::passed("role", "a primary")
        });
        checks.push(match self.is_behind_transaction_pooler().await {
            Ok(true) => {
                let text = "connections go through a transaction pooler, such as PgBouncer in \
                            transaction mode, which Portico supports";
                Check::passed("pooler", text)
            }
            Ok(false) => Check::passed("pooler", "none that shares connections was noticed"),
            Err(cause) => Check::failed("pooler", format!("a second connection failed: {cause}")),
        });
        Ok(checks)
    }

    /// Not in one transaction with anything else: the table is read, never locked. A role that cannot
    /// read it may still be able to use the site's tables.
    pub(in crate::database) async fn check_migrated(&self) -> Result<(), DatabaseUnavailable> {
        let mut connection = connection(self.pool.get()).await?;
        let exists = diesel::select(sql::<Bool>(HAS_MIGRATIONS));
        if !with_timeout(exists.get_result::<bool>(&mut connection)).await? {
            return require_all::<Pg>(MIGRATIONS, None);
        }
        let may_read = sql::<Bool>(
            "select has_table_privilege(to_regclass('__diesel_schema_migrations'), 'select')",
        );
        if !with_timeout(may_read.get_result::<bool>(&mut connection)).await? {
            return Ok(());
        }
        let applied = sql::<Text>(APPLIED);
        let applied: Vec<String> = with_timeout(applied.load(&mut connection)).await?;
        require_all::<Pg>(MIGRATIONS, Some(&applied))
    }

    /// Whether two connections are served by one process of the server, or one connection by two: a
    /// pooler gives a process to a connection for the time of a transaction only. A pooler in session
    /// mode is no different from the server.
    async fn is_behind_transaction_pooler(&self) -> Result<bool, DatabaseUnavailable> {
        let mut first = self.server.connect().await.map_err(unavailable)?;
        let mut second = self.server.connect().await.map_err(unavailable)?;
        let [first, second] = [&mut first, &mut second];
        for connection in [&mut *first, &mut *second] {
            connection.set_prepared_statement_cache_size(CacheSize::Disabled);
        }
        with_timeout(async {
            let process = process_of(first).await?;
            // Twice: with two processes in rotation, each connection would meet the same one again.
            let others = [process_of(second).await?, process_of(second).await?];
            Ok(others[0] != others[1] || others.contains(&process))
        })
        .await
    }
}

/// The number of the server's process that serves one transaction.
async fn process_of(connection: &mut AsyncPgConnection) -> QueryResult<i32> {
    connection.batch_execute("begin").await?;
    let process = sql::<Integer>("select pg_backend_pid()").get_result(connection).await?;
    connection.batch_execute("commit").await?;
    Ok(process)
}
