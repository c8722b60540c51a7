//! For each clause there is an adapter that breaks it in one way, and must be refused: a contract that
//! every adapter passes would promise nothing.

mod identity;
mod messages;
mod sessions;
mod users;

use std::future::Future;

/// Whether the clause panics.
async fn fails(clause: impl Future<Output = ()> + Send + 'static) -> bool {
    tokio::spawn(clause).await.is_err_and(|error| error.is_panic())
}

/// For each clause, makes a test that an adapter with the fault beside it is refused. One more test
/// checks that no clause is missing.
macro_rules! refuses_broken_adapters {
    ($contract:ident, $broken:expr; $($clause:ident: $fault:ident,)+) => {
        $(#[tokio::test]
        async fn $clause() {
            let clause = crate::$contract::$clause($broken(Fault::$fault));
            assert!(super::fails(clause).await, "passes in spite of {:?}", Fault::$fault);
        })+

        #[test]
        fn every_clause_has_a_broken_adapter() {
            let clauses = crate::$contract::CLAUSES;
            assert_eq!(clauses, [$(stringify!($clause)),+]);
        }
    };
}
use refuses_broken_adapters;
