use diesel::{
    QueryResult,
    connection::{CacheSize, Instrumentation},
    pg::Pg,
    query_builder::{AsQuery, QueryFragment, QueryId},
    result::ConnectionResult,
};
use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncConnectionCore, AsyncPgConnection,
    SimpleAsyncConnection, TransactionManager, pooled_connection::PoolableConnection,
};
use futures_util::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};

/// The server gives up as well, so that no statement runs on without a client.
const BEGIN: &str = "begin; set local statement_timeout = '5s'";

/// A connection that runs each statement in a transaction of its own, and leaves nothing behind on
/// the server: no prepared statement, no setting. A pooler in transaction mode (`PgBouncer`) may
/// therefore send the next transaction to another server process. Transactions of several statements
/// are not supported.
pub(crate) struct PostgresConnection {
    inner: AsyncPgConnection,
    /// A transaction has begun and not ended. It stays so where a statement was given up.
    is_open: bool,
}

impl PostgresConnection {
    pub(super) fn new(mut inner: AsyncPgConnection) -> Self {
        inner.set_prepared_statement_cache_size(CacheSize::Disabled);
        Self { inner, is_open: false }
    }
}

/// Runs the statement, which must not have been sent yet.
async fn in_transaction<T>(
    mut connection: &AsyncPgConnection,
    is_open: &mut bool,
    statement: impl Future<Output = QueryResult<T>> + Send,
) -> QueryResult<T> {
    *is_open = true;
    connection.batch_execute(BEGIN).await?;
    let result = statement.await;
    let end = if result.is_ok() { "commit" } else { "rollback" };
    let ended = connection.batch_execute(end).await;
    *is_open = ended.is_err();
    let value = result?;
    ended?;
    Ok(value)
}

impl SimpleAsyncConnection for PostgresConnection {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.inner.batch_execute(query).await
    }
}

impl AsyncConnectionCore for PostgresConnection {
    type ExecuteFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<usize>>;
    type LoadFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<Self::Stream<'conn, 'query>>>;
    type Stream<'conn, 'query> = BoxStream<'static, QueryResult<Self::Row<'conn, 'query>>>;
    type Row<'conn, 'query> = <AsyncPgConnection as AsyncConnectionCore>::Row<'conn, 'query>;
    type Backend = Pg;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Pg> + QueryId + 'query,
    {
        let inner = &self.inner;
        let is_open = &mut self.is_open;
        let rows = AsyncConnectionCore::load(&mut &*inner, source);
        Box::pin(async move {
            let rows = async { rows.await?.try_collect::<Vec<_>>().await };
            let rows = in_transaction(inner, is_open, rows).await?;
            Ok(stream::iter(rows.into_iter().map(Ok)).boxed())
        })
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Pg> + QueryId + 'query,
    {
        let inner = &self.inner;
        let count = AsyncConnectionCore::execute_returning_count(&mut &*inner, source);
        Box::pin(in_transaction(inner, &mut self.is_open, count))
    }
}

impl AsyncConnection for PostgresConnection {
    type TransactionManager = AnsiTransactionManager;

    async fn establish(url: &str) -> ConnectionResult<Self> {
        AsyncPgConnection::establish(url).await.map(Self::new)
    }

    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        self.inner.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.inner.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.inner.set_instrumentation(instrumentation);
    }

    /// Ignored: a statement that stays prepared is of no use behind a pooler.
    fn set_prepared_statement_cache_size(&mut self, _: CacheSize) {}
}

impl PoolableConnection for PostgresConnection {
    fn is_broken(&mut self) -> bool {
        self.is_open
            || self.inner.is_broken()
            || AnsiTransactionManager::is_broken_transaction_manager(self)
    }
}
