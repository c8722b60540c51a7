//! Keys that change, and people who pretend that they did.

use chrono::TimeDelta;
use portico_development::Fault;
use portico_domain::{ports::IdentityProvider, ports::RedeemError::InvalidIdentity};

use super::{Outside, assert_refused, attempt, clock_at_now};

#[tokio::test]
async fn keys_that_change_in_the_middle_of_a_login_are_no_trouble() {
    let outside = Outside::start().await;
    let oidc = outside.provider();
    outside.log_in(&oidc).await.unwrap();
    let attempt = attempt("login");
    let response = outside.answer(&oidc, &attempt).await;

    outside.servers.rotate_keys().await.unwrap();
    let before = outside.requested();
    oidc.redeem(&response, &attempt).await.unwrap();
    assert_eq!(outside.asked_since(before), [0, 1, 1, 0], "the keys alone are fetched anew");

    let before = outside.requested();
    outside.log_in(&oidc).await.unwrap();
    assert_eq!(outside.asked_since(before), [0, 0, 1, 0], "and kept");
}

#[tokio::test]
async fn forged_tokens_do_not_make_the_site_hammer_the_provider() {
    let outside = Outside::start().await;
    let clock = clock_at_now();
    let oidc = outside.provider_by(&clock);
    outside.log_in(&oidc).await.unwrap();
    outside.servers.faults().set(Fault::InvalidSignature);
    let forged = || async {
        let before = outside.requested();
        assert_refused(outside.log_in(&oidc).await, &InvalidIdentity("no key".into()), "forged");
        let [discovery, keys, ..] = outside.asked_since(before);
        assert_eq!(discovery, 0);
        keys
    };
    assert_eq!(forged().await, 1);
    clock.advance(TimeDelta::seconds(9));
    for _ in 0..4 {
        assert_eq!(forged().await, 0, "the keys are younger than ten seconds");
    }
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(forged().await, 1);

    // Nor do they keep anybody else from signing in.
    outside.servers.faults().clear();
    outside.log_in(&oidc).await.unwrap();
    clock.advance(TimeDelta::seconds(10));
    outside.servers.rotate_keys().await.unwrap();
    outside.log_in(&oidc).await.unwrap();
}
