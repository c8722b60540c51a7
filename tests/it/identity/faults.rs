//! Faults after the authorization response. Each case changes one thing about a successful log-in.

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
            self, CodeRejected, InvalidIdentity, Misconfigured, MissingIssuer, ProviderFault,
            ProviderTimeout, WrongIssuer, WrongNonce,
        },
        RefreshError,
    },
};

use super::{ProviderSetup, assert_refused, attempt, provider, refresh::session_of};

/// Number of requests to discovery, key set, token endpoint and userinfo.
type RequestCounts = [usize; 4];

/// The fault, the expected error and its text, and the expected requests.
type Row = (Fault, fn(String) -> RedeemError, &'static str, RequestCounts);

/// The ID token was refused: no further requests.
const TOKEN_ONLY: RequestCounts = [0, 0, 1, 0];
/// No key matched, so the key set was fetched once.
const KEYS_REFETCHED: RequestCounts = [0, 1, 1, 0];
const ALL: RequestCounts = [0, 0, 1, 1];

#[tokio::test]
async fn distinguishes_provider_faults_and_recovers() {
    let rows: [Row; 15] = [
        (Fault::TokenFails, ProviderFault, "token endpoint", TOKEN_ONLY),
        (Fault::TokenInvalidGrant, CodeRejected, "invalid_grant", TOKEN_ONLY),
        (Fault::NoIdToken, ProviderFault, "no ID token", TOKEN_ONLY),
        (Fault::WrongIssuer, InvalidIdentity, "issuer", TOKEN_ONLY),
        (Fault::WrongAudience, InvalidIdentity, "audience", TOKEN_ONLY),
        (Fault::WrongNonce, |_| WrongNonce, "", TOKEN_ONLY),
        (Fault::Expired, InvalidIdentity, "expired", TOKEN_ONLY),
        (
            Fault::IssuedInTheFuture,
            InvalidIdentity,
            "in the future: compare the clocks",
            TOKEN_ONLY,
        ),
        (Fault::AlgNone, InvalidIdentity, "", TOKEN_ONLY),
        (Fault::Hs256, InvalidIdentity, "signed with HS256", TOKEN_ONLY),
        (Fault::InvalidSignature, InvalidIdentity, "no key", KEYS_REFETCHED),
        (Fault::EmptySubject, InvalidIdentity, "its sub is empty", TOKEN_ONLY),
        (Fault::WrongAccessTokenHash, InvalidIdentity, "at_hash", TOKEN_ONLY),
        (Fault::WrongAuthorizedParty, InvalidIdentity, "another party", TOKEN_ONLY),
        (Fault::UserinfoWrongSubject, InvalidIdentity, "another user", ALL),
    ];
    let setup = ProviderSetup::start().await;
    for (fault, kind, why, requested) in rows {
        let row = format!("{fault:?}");
        let oidc = provider_with_userinfo(&setup, Limits::default());
        setup.log_in(&oidc).await.unwrap_or_else(|error| panic!("before {row}: {error}"));

        let before = setup.requested();
        setup.servers.faults().set(fault);
        let outcome = setup.log_in(&oidc).await;
        setup.servers.faults().clear();

        assert_refused(outcome, &kind(why.into()), &row);
        assert_eq!(setup.requests_since(before), requested, "{row}");
        setup.log_in(&oidc).await.unwrap_or_else(|error| panic!("after {row}: {error}"));
    }
}

#[tokio::test]
async fn distinguishes_timeout_from_provider_fault() {
    let setup = ProviderSetup::start().await;
    // Long enough for a machine under load, and shorter than the provider's delay.
    let total = Duration::from_secs(3);
    let limits = Limits { total, ..Limits::default() };
    let oidc = provider(setup.settings(), limits, Arc::new(SystemClock));
    setup.log_in(&oidc).await.unwrap();

    let before = setup.requested();
    setup.servers.faults().set(Fault::TokenSlow(total * 20));
    let outcome = setup.log_in(&oidc).await;
    setup.servers.faults().clear();
    assert_refused(outcome, &ProviderTimeout("token endpoint".into()), "slow");
    assert_eq!(setup.requests_since(before), TOKEN_ONLY);
    setup.log_in(&oidc).await.unwrap();
}

#[tokio::test]
async fn logs_in_when_userinfo_fails() {
    let setup = ProviderSetup::start().await;
    let total = Duration::from_secs(3);
    let oidc = provider_with_userinfo(&setup, Limits { total, ..Limits::default() });
    setup.log_in(&oidc).await.unwrap();
    for fault in [Fault::UserinfoUnauthorized, Fault::UserinfoHtml, Fault::UserinfoSlow(total * 20)]
    {
        let before = setup.requested();
        setup.servers.faults().set(fault);
        let outcome = setup.log_in(&oidc).await;
        setup.servers.faults().clear();
        let identity = outcome.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(identity.profile().email.as_deref(), Some("user@example.com"), "{fault:?}");
        assert_eq!(setup.requests_since(before), ALL, "{fault:?}");
    }
}

#[tokio::test]
async fn requests_userinfo_according_to_policy() {
    let setup = ProviderSetup::start().await;
    for (policy, scopes, expected) in [
        // The development provider's ID token has all that these scopes promise.
        (UserinfoPolicy::Auto, "openid profile email offline_access", [0, 0]),
        (UserinfoPolicy::Auto, "openid profile email phone offline_access", [1, 0]),
        (UserinfoPolicy::Always, "openid profile email offline_access", [1, 1]),
        (UserinfoPolicy::Never, "openid phone offline_access", [0, 0]),
    ] {
        let scopes = scopes.split(' ').map(str::to_owned).collect();
        let settings = OidcSettings { userinfo: policy, scopes, ..setup.settings() };
        let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
        let requests = || setup.servers.request_count("userinfo");
        let before = requests();
        let session = session_of(setup.log_in(&oidc).await.unwrap());
        let at_log_in = requests() - before;
        let refreshed = oidc.refresh(&session).await.unwrap();
        assert_eq!([at_log_in, requests() - before - at_log_in], expected, "{policy:?}");
        assert_eq!(refreshed.claims.is_some(), expected[1] == 1, "{policy:?}");
    }
}

#[tokio::test]
async fn refresh_accepts_failed_userinfo_and_refuses_wrong_subject() {
    let setup = ProviderSetup::start().await;
    let mut settings = OidcSettings { userinfo: UserinfoPolicy::Always, ..setup.settings() };
    settings.scopes.push("offline_access".into());
    let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
    let session = session_of(setup.log_in(&oidc).await.unwrap());
    setup.servers.faults().set(Fault::UserinfoUnauthorized);
    let refreshed = oidc.refresh(&session).await.unwrap();
    assert_eq!(refreshed.claims, None);
    setup.servers.faults().clear();
    setup.servers.faults().set(Fault::UserinfoWrongSubject);
    let session = session.with(SessionChange::Refreshed(refreshed));
    let refused = oidc.refresh(&session).await;
    assert!(matches!(refused, Err(RefreshError::InvalidIdentity(_))), "{refused:?}");
}

fn provider_with_userinfo(setup: &ProviderSetup, limits: Limits) -> OidcProvider {
    let settings = OidcSettings { userinfo: UserinfoPolicy::Always, ..setup.settings() };
    provider(settings, limits, Arc::new(SystemClock))
}

#[tokio::test]
async fn refuses_response_to_another_attempt_or_of_another_issuer() {
    type Change = fn(&mut AuthorizationResponse, &mut LoginAttempt);
    let rows: [(&str, Change, RedeemError, RequestCounts); 5] = [
        (
            "another issuer (RFC 9207)",
            |response, _| response.issuer = Some("https://evil.example".into()),
            WrongIssuer("https://evil.example".into()),
            [0; 4],
        ),
        (
            "the issuer with an additional slash",
            |response, _| response.issuer.as_mut().unwrap().push('/'),
            WrongIssuer(String::new()),
            [0; 4],
        ),
        (
            "no issuer, although the metadata announce it",
            |response, _| response.issuer = None,
            MissingIssuer,
            [0; 4],
        ),
        (
            "the code of another browser",
            |_, attempt| attempt.code_verifier = CodeVerifier::new("x".repeat(43)),
            CodeRejected("code_verifier".into()),
            TOKEN_ONLY,
        ),
        (
            "the response to another attempt",
            |_, attempt| attempt.nonce = super::attempt("other").nonce,
            WrongNonce,
            TOKEN_ONLY,
        ),
    ];
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider();
    for (row, change, expected, requested) in rows {
        let mut attempt = attempt("login");
        let mut response = setup.answer(&oidc, &attempt).await;
        let before = setup.requested();
        change(&mut response, &mut attempt);
        assert_refused(oidc.redeem(&response, &attempt).await, &expected, row);
        assert_eq!(setup.requests_since(before), requested, "{row}");
    }
}

#[tokio::test]
async fn refuses_replayed_code() {
    let setup = ProviderSetup::start().await;
    let oidc = setup.provider();
    let attempt = attempt("login");
    let response = setup.answer(&oidc, &attempt).await;
    oidc.redeem(&response, &attempt).await.unwrap();
    let again = oidc.redeem(&response, &attempt).await;
    assert_refused(again, &CodeRejected("already redeemed".into()), "replay");
    assert_eq!(setup.servers.request_count("replayed-code"), 1);
}

#[tokio::test]
async fn reports_wrong_client_secret_as_misconfiguration() {
    let setup = ProviderSetup::start().await;
    let secret = "not the secret";
    let mut settings = setup.settings();
    settings.registration.client_secret = Some(ClientSecret::new(secret.into()));
    let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
    let refused = setup.log_in(&oidc).await;
    let text = format!("{refused:?}");
    assert!(!text.contains(secret), "{text}");
    assert_refused(refused, &Misconfigured("check OIDC_CLIENT_ID".into()), "wrong secret");
}
