use std::sync::Arc;

use diesel::{
    QueryResult,
    connection::{CacheSize, Instrumentation},
    pg::Pg,
    query_builder::{AsQuery, QueryFragment, QueryId},
    result::{ConnectionResult, DatabaseErrorKind, Error as DieselError},
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

use super::LastFault;

/// The server gives up as well, so that no statement runs on without a client.
const BEGIN: &str = "begin; set local statement_timeout = '5s'";

/// The client closes a statement when its rows are dropped, which is after the transaction. A pooler
/// would send that to another server process, and the statement would stay, under a name that other
/// clients use as well.
const COMMIT: &str = "deallocate all; commit";
const ROLLBACK: &str = "rollback; deallocate all";

/// A connection that runs each statement in a transaction of its own, and leaves nothing behind on
/// the server: no prepared statement, no setting. A pooler in transaction mode (`PgBouncer`) may
/// therefore send the next transaction to another server process. Transactions of several statements
/// are not supported.
pub(crate) struct PostgresConnection {
    inner: AsyncPgConnection,
    state: ConnectionState,
}

/// Why a connection may be of no further use.
#[derive(Default)]
struct ConnectionState {
    /// A transaction has begun and not ended. It stays so where a statement was given up.
    is_open: bool,
    /// The server has refused a write: another one may have become the primary.
    is_read_only: bool,
    last_fault: Arc<LastFault>,
}

impl ConnectionState {
    fn note(&mut self, error: &DieselError) {
        if matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)) {
            log::warn!("postgresql: the server refuses writes, dropping idle connections");
            self.is_read_only = true;
            self.last_fault.note();
        }
    }
}

impl PostgresConnection {
    pub(super) fn new(mut inner: AsyncPgConnection, last_fault: Arc<LastFault>) -> Self {
        inner.set_prepared_statement_cache_size(CacheSize::Disabled);
        Self { inner, state: ConnectionState { last_fault, ..ConnectionState::default() } }
    }
}

/// Runs the statement, which must not have been sent yet.
async fn in_transaction<T>(
    mut connection: &AsyncPgConnection,
    state: &mut ConnectionState,
    statement: impl Future<Output = QueryResult<T>> + Send,
) -> QueryResult<T> {
    state.is_open = true;
    connection.batch_execute(BEGIN).await?;
    let result = statement.await;
    let end = if result.is_ok() { COMMIT } else { ROLLBACK };
    let ended = connection.batch_execute(end).await;
    state.is_open = ended.is_err();
    if let Err(error) = &result {
        state.note(error);
    }
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
        let state = &mut self.state;
        let rows = AsyncConnectionCore::load(&mut &*inner, source);
        Box::pin(async move {
            let rows = async { rows.await?.try_collect::<Vec<_>>().await };
            let rows = in_transaction(inner, state, rows).await?;
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
        Box::pin(in_transaction(inner, &mut self.state, count))
    }
}

impl AsyncConnection for PostgresConnection {
    type TransactionManager = AnsiTransactionManager;

    async fn establish(url: &str) -> ConnectionResult<Self> {
        AsyncPgConnection::establish(url).await.map(|inner| Self::new(inner, Arc::default()))
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
        self.state.is_open
            || self.state.is_read_only
            || self.inner.is_broken()
            || AnsiTransactionManager::is_broken_transaction_manager(self)
    }
}
