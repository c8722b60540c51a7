//! The tests of the whole site, in one binary with one module per subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, in files of their own, may fail like tests"
)]

mod authorization_parameters;
mod browser;
mod check;
mod conformance;
mod connections;
mod cross_site;
mod dependencies;
mod dialects;
mod documentation;
mod entry;
mod failover;
mod flows;
mod foreign;
mod fuzzing;
mod hexagon;
mod identity;
mod instances;
mod login_attempts;
mod login_limit;
mod messages;
mod metrics;
mod misconfiguration;
mod notices;
mod outages;
mod page_weight;
mod permissions;
mod provider_faults;
mod provider_logout;
mod public_address;
mod readiness;
mod refresh;
mod repository;
mod sessions;
mod sessions_page;
mod sign_up;
mod users;
