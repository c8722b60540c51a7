//! Arbitrary input from browsers and providers causes no panic and no 500.
//!
//! Each property is checked with 256 cases, or as many as `PROPTEST_CASES` says.

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

/// Checks the property with many cases, and shows the smallest one that violates it.
fn holds<S: Strategy>(cases: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&cases, property).unwrap();
}
