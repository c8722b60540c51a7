use std::{fmt::Display, time::Duration};

use tokio::time::timeout;

/// Time to be handed a working connection: waiting, connecting and trying it all count.
const CONNECT: Duration = Duration::from_secs(3);

/// Time for one statement.
const STATEMENT: Duration = Duration::from_secs(5);

/// What a pool hands out, or why it does not.
pub(crate) async fn connection<T, E: Display>(
    pool: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    let connection = timeout(CONNECT, pool).await;
    connection.map_err(|_| "no connection in time".to_owned())?.map_err(|error| error.to_string())
}

/// The answer to one statement, or why there is none.
pub(crate) async fn in_time<T>(
    answer: impl Future<Output = diesel::QueryResult<T>>,
) -> Result<T, String> {
    let answer = timeout(STATEMENT, answer).await;
    answer
        .map_err(|_| "the database does not answer in time".to_owned())?
        .map_err(|error| error.to_string())
}
