//! Whatever browsers and providers send: no panic, and no 500.
//!
//! Each property is tried on 256 cases; `PROPTEST_CASES` says how many instead.

mod browser_requests;
mod provider_responses;

use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Tries the property on many cases; the smallest one that breaks it is shown.
fn holds<S: Strategy>(cases: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&cases, property).unwrap();
}
