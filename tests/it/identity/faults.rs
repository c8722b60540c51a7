//! What goes wrong once the browser came back: each from a login that works, with one thing
//! changed.

use std::{sync::Arc, time::Duration};

use portico_adapters::{
    http::Limits,
    identity::{ClientSecret, oidc::OidcSettings},
    system::SystemClock,
};
use portico_development::Fault;
use portico_domain::{
    model::{AuthorizationResponse, CodeVerifier, LoginAttempt},
    ports::{
        IdentityProvider,
        RedeemError::{
            self, CodeRejected, InvalidIdentity, ProviderFault, ProviderTimeout, WrongIssuer,
            WrongNonce,
        },
    },
};

use super::{Outside, assert_refused, attempt, provider};

/// How often discovery, keys, token endpoint and userinfo are asked.
type Asked = [usize; 4];

/// The fault, how the refusal reads, and who is asked.
type Row = (Fault, fn(String) -> RedeemError, &'static str, Asked);

/// The ID token was refused by a rule: nobody is asked any further.
const REFUSED: Asked = [0, 0, 1, 0];
/// No key fitted, so that newer ones were asked for, once.
const REKEYED: Asked = [0, 1, 1, 0];
const ALL: Asked = [0, 0, 1, 1];

#[tokio::test]
async fn each_fault_of_the_provider_is_told_from_the_others_and_passes() {
    let rows: [Row; 16] = [
        (Fault::TokenFails, ProviderFault, "token endpoint", REFUSED),
        (Fault::TokenInvalidGrant, CodeRejected, "invalid_grant", REFUSED),
        (Fault::NoIdToken, ProviderFault, "no ID token", REFUSED),
        (Fault::WrongIssuer, InvalidIdentity, "issuer", REFUSED),
        (Fault::WrongAudience, InvalidIdentity, "audience", REFUSED),
        (Fault::WrongNonce, |_| WrongNonce, "", REFUSED),
        (Fault::Expired, InvalidIdentity, "expired", REFUSED),
        (Fault::IssuedInTheFuture, InvalidIdentity, "issued in the future", REFUSED),
        (Fault::AlgNone, InvalidIdentity, "", REFUSED),
        (Fault::Hs256, InvalidIdentity, "is not allowed", REFUSED),
        (Fault::FlippedSignature, InvalidIdentity, "no key", REKEYED),
        (Fault::EmptySubject, InvalidIdentity, "its sub is empty", REFUSED),
        (Fault::WrongAccessTokenHash, InvalidIdentity, "at_hash", REFUSED),
        (Fault::ForeignAuthorizedParty, InvalidIdentity, "another party", REFUSED),
        (Fault::UserinfoWrongSubject, InvalidIdentity, "another user", ALL),
        (Fault::UserinfoRefuses, ProviderFault, "userinfo: status 401", ALL),
    ];
    let outside = Outside::start().await;
    for (fault, kind, why, requested) in rows {
        let row = format!("{fault:?}");
        let oidc = outside.provider();
        outside.log_in(&oidc).await.unwrap_or_else(|error| panic!("before {row}: {error}"));

        let before = outside.requested();
        outside.world.faults().set(fault);
        let outcome = outside.log_in(&oidc).await;
        outside.world.faults().clear();

        assert_refused(outcome, &kind(why.into()), &row);
        assert_eq!(outside.asked_since(before), requested, "{row}");
        outside.log_in(&oidc).await.unwrap_or_else(|error| panic!("after {row}: {error}"));
    }
}

#[tokio::test]
async fn a_slow_provider_is_told_from_one_at_fault() {
    let outside = Outside::start().await;
    // Long enough for a machine under load, and for the provider to be late.
    let total = Duration::from_secs(3);
    let limits = Limits { total, ..Limits::default() };
    let oidc = provider(outside.settings(), limits, Arc::new(SystemClock));
    outside.log_in(&oidc).await.unwrap();

    for (fault, who, requested) in [
        (Fault::TokenSlow(total * 20), "token endpoint", REFUSED),
        (Fault::UserinfoSlow(total * 20), "userinfo", ALL),
    ] {
        let before = outside.requested();
        outside.world.faults().set(fault);
        let outcome = outside.log_in(&oidc).await;
        outside.world.faults().clear();
        assert_refused(outcome, &ProviderTimeout(who.into()), who);
        assert_eq!(outside.asked_since(before), requested, "{who}");
        outside.log_in(&oidc).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_browser_brings_back_is_not_believed_blindly() {
    type Change = fn(&mut AuthorizationResponse, &mut LoginAttempt);
    let rows: [(&str, Change, RedeemError, Asked); 5] = [
        (
            "another issuer answers (RFC 9207)",
            |response, _| response.issuer = Some("https://evil.example".into()),
            WrongIssuer("https://evil.example".into()),
            [0; 4],
        ),
        (
            "the issuer with a slash more is another",
            |response, _| response.issuer.as_mut().unwrap().push('/'),
            WrongIssuer(String::new()),
            [0; 4],
        ),
        (
            "a provider that names itself does not",
            |response, _| response.issuer = None,
            WrongIssuer("none is named".into()),
            [0; 4],
        ),
        (
            "the code of another browser",
            |_, attempt| attempt.code_verifier = CodeVerifier::new("x".repeat(43)),
            CodeRejected("code_verifier".into()),
            REFUSED,
        ),
        (
            "the answer to another attempt",
            |_, attempt| attempt.nonce = super::attempt("other").nonce,
            WrongNonce,
            REFUSED,
        ),
    ];
    let outside = Outside::start().await;
    let oidc = outside.provider();
    for (row, change, expected, requested) in rows {
        let mut attempt = attempt("login");
        let mut response = outside.answer(&oidc, &attempt).await;
        let before = outside.requested();
        change(&mut response, &mut attempt);
        assert_refused(oidc.redeem(&response, &attempt).await, &expected, row);
        assert_eq!(outside.asked_since(before), requested, "{row}");
    }
}

#[tokio::test]
async fn a_code_is_good_once() {
    let outside = Outside::start().await;
    let oidc = outside.provider();
    let attempt = attempt("login");
    let response = outside.answer(&oidc, &attempt).await;
    oidc.redeem(&response, &attempt).await.unwrap();
    let again = oidc.redeem(&response, &attempt).await;
    assert_refused(again, &CodeRejected("redeemed before".into()), "replay");
    assert_eq!(outside.world.hits("replayed-code"), 1);
}

#[tokio::test]
async fn a_wrong_secret_is_no_fault_of_the_visitor() {
    let outside = Outside::start().await;
    let secret = "not the secret";
    let client_secret = Some(ClientSecret::new(secret.into()));
    let settings = OidcSettings { client_secret, ..outside.settings() };
    let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
    let refused = outside.log_in(&oidc).await;
    let text = format!("{refused:?}");
    assert!(!text.contains(secret), "{text}");
    assert_refused(refused, &ProviderFault("invalid_client".into()), "wrong secret");
}
