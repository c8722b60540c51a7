//! Every test of the whole, in one binary: one module a concern.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, in files of their own, may fail like tests"
)]

mod asking;
mod browser;
mod conformance;
mod connections;
mod cross_site;
mod dependencies;
mod documentation;
mod entry;
mod flows;
mod hexagon;
mod hostile;
mod identity;
mod instances;
mod looks;
mod messages;
mod misbehaving;
mod outages;
mod provider_logout;
mod readiness;
mod refresh;
mod repository;
mod sessions;
mod sessions_page;
mod users;
mod walk;
mod weight;
