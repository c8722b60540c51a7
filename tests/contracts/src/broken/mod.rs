//! A contract that nobody can break promises nothing: for each clause there is an adapter that is
//! wrong in one way, and fails it.

mod identity;
mod messages;
mod sessions;
mod users;

use std::future::Future;

/// Whether the clause fails, rather than passes.
async fn fails(clause: impl Future<Output = ()> + Send + 'static) -> bool {
    tokio::spawn(clause).await.is_err_and(|error| error.is_panic())
}

/// Makes a test of each clause: what is wrong in the way beside it fails. And one that no clause
/// is without.
macro_rules! every_clause_bites {
    ($contract:ident, $wrong:expr; $($clause:ident: $way:ident,)+) => {
        $(#[tokio::test]
        async fn $clause() {
            let clause = crate::$contract::$clause($wrong(Wrong::$way));
            assert!(super::fails(clause).await, "nobody saw that it {:?}", Wrong::$way);
        })+

        #[test]
        fn no_clause_is_without_one_who_fails_it() {
            let clauses = crate::$contract::CLAUSES;
            assert_eq!(clauses, [$(stringify!($clause)),+]);
        }
    };
}
use every_clause_bites;
