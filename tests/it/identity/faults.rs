//! What goes wrong once the browser came back: each from a login that works, with one thing
//! changed.

use std::{sync::Arc, time::Duration};

use portico_adapters::{
    http::Limits,
    identity::{
        ClientSecret,
        oidc::{OidcProvider, OidcSettings, UserinfoPolicy},
    },
    system::SystemClock,
};
use portico_development::Fault;
use portico_domain::{
    model::{AuthorizationResponse, CodeVerifier, LoginAttempt, SessionChange},
    ports::{
        IdentityProvider,
        RedeemError::{
            self, CodeRejected, InvalidIdentity, ProviderFault, ProviderTimeout, WrongIssuer,
            WrongNonce,
        },
        RefreshError,
    },
};

use super::{Outside, assert_refused, attempt, provider, refresh::session_of};

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
async fn distinguishes_provider_faults_and_recovers() {
    let rows: [Row; 15] = [
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
        (Fault::InvalidSignature, InvalidIdentity, "no key", REKEYED),
        (Fault::EmptySubject, InvalidIdentity, "its sub is empty", REFUSED),
        (Fault::WrongAccessTokenHash, InvalidIdentity, "at_hash", REFUSED),
        (Fault::WrongAuthorizedParty, InvalidIdentity, "another party", REFUSED),
        (Fault::UserinfoWrongSubject, InvalidIdentity, "another user", ALL),
    ];
    let outside = Outside::start().await;
    for (fault, kind, why, requested) in rows {
        let row = format!("{fault:?}");
        let oidc = asking_userinfo(&outside, Limits::default());
        outside.log_in(&oidc).await.unwrap_or_else(|error| panic!("before {row}: {error}"));

        let before = outside.requested();
        outside.servers.faults().set(fault);
        let outcome = outside.log_in(&oidc).await;
        outside.servers.faults().clear();

        assert_refused(outcome, &kind(why.into()), &row);
        assert_eq!(outside.asked_since(before), requested, "{row}");
        outside.log_in(&oidc).await.unwrap_or_else(|error| panic!("after {row}: {error}"));
    }
}

#[tokio::test]
async fn distinguishes_timeout_from_provider_fault() {
    let outside = Outside::start().await;
    // Long enough for a machine under load, and for the provider to be late.
    let total = Duration::from_secs(3);
    let limits = Limits { total, ..Limits::default() };
    let oidc = provider(outside.settings(), limits, Arc::new(SystemClock));
    outside.log_in(&oidc).await.unwrap();

    let before = outside.requested();
    outside.servers.faults().set(Fault::TokenSlow(total * 20));
    let outcome = outside.log_in(&oidc).await;
    outside.servers.faults().clear();
    assert_refused(outcome, &ProviderTimeout("token endpoint".into()), "slow");
    assert_eq!(outside.asked_since(before), REFUSED);
    outside.log_in(&oidc).await.unwrap();
}

#[tokio::test]
async fn logs_in_when_userinfo_fails() {
    let outside = Outside::start().await;
    let total = Duration::from_secs(3);
    let oidc = asking_userinfo(&outside, Limits { total, ..Limits::default() });
    outside.log_in(&oidc).await.unwrap();
    for fault in [Fault::UserinfoUnauthorized, Fault::UserinfoHtml, Fault::UserinfoSlow(total * 20)]
    {
        let before = outside.requested();
        outside.servers.faults().set(fault);
        let outcome = outside.log_in(&oidc).await;
        outside.servers.faults().clear();
        let identity = outcome.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(identity.profile().email.as_deref(), Some("user@example.com"), "{fault:?}");
        assert_eq!(outside.asked_since(before), ALL, "{fault:?}");
    }
}

#[tokio::test]
async fn requests_userinfo_according_to_policy() {
    let outside = Outside::start().await;
    for (policy, scopes, expected) in [
        // The development provider's ID token has all that these scopes promise.
        (UserinfoPolicy::Auto, "openid profile email offline_access", [0, 0]),
        (UserinfoPolicy::Auto, "openid profile email phone offline_access", [1, 0]),
        (UserinfoPolicy::Always, "openid profile email offline_access", [1, 1]),
        (UserinfoPolicy::Never, "openid phone offline_access", [0, 0]),
    ] {
        let scopes = scopes.split(' ').map(str::to_owned).collect();
        let settings = OidcSettings { userinfo: policy, scopes, ..outside.settings() };
        let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
        let hits = || outside.servers.request_count("userinfo");
        let before = hits();
        let session = session_of(outside.log_in(&oidc).await.unwrap());
        let at_log_in = hits() - before;
        let refreshed = oidc.refresh(&session).await.unwrap();
        assert_eq!([at_log_in, hits() - before - at_log_in], expected, "{policy:?}");
        assert_eq!(refreshed.claims.is_some(), expected[1] == 1, "{policy:?}");
    }
}

#[tokio::test]
async fn refresh_accepts_failed_userinfo_and_refuses_wrong_subject() {
    let outside = Outside::start().await;
    let mut settings = OidcSettings { userinfo: UserinfoPolicy::Always, ..outside.settings() };
    settings.scopes.push("offline_access".into());
    let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
    let session = session_of(outside.log_in(&oidc).await.unwrap());
    outside.servers.faults().set(Fault::UserinfoUnauthorized);
    let refreshed = oidc.refresh(&session).await.unwrap();
    assert_eq!(refreshed.claims, None);
    outside.servers.faults().clear();
    outside.servers.faults().set(Fault::UserinfoWrongSubject);
    let session = session.with(SessionChange::Refreshed(refreshed));
    let refused = oidc.refresh(&session).await;
    assert!(matches!(refused, Err(RefreshError::InvalidIdentity(_))), "{refused:?}");
}

fn asking_userinfo(outside: &Outside, limits: Limits) -> OidcProvider {
    let settings = OidcSettings { userinfo: UserinfoPolicy::Always, ..outside.settings() };
    provider(settings, limits, Arc::new(SystemClock))
}

#[tokio::test]
async fn refuses_response_to_another_attempt_or_of_another_issuer() {
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
async fn refuses_replayed_code() {
    let outside = Outside::start().await;
    let oidc = outside.provider();
    let attempt = attempt("login");
    let response = outside.answer(&oidc, &attempt).await;
    oidc.redeem(&response, &attempt).await.unwrap();
    let again = oidc.redeem(&response, &attempt).await;
    assert_refused(again, &CodeRejected("already redeemed".into()), "replay");
    assert_eq!(outside.servers.request_count("replayed-code"), 1);
}

#[tokio::test]
async fn reports_wrong_client_secret_as_provider_fault() {
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
