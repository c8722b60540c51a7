//! The contract of [`IdentityProvider`].

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use chrono::DateTime;

use crate::{OUTAGE_TIMEOUT, Server, fixtures};
use futures_util::future::join;
use portico_domain::{
    model::{
        AuthorizationCode, AuthorizationResponse, CodeVerifier, IdToken, Identity, LoginAttempt,
        Nonce, RefreshToken, Screen, Session, SessionChange, SessionId, State,
    },
    ports::{IdentityProvider, LogoutTokenError, RedeemError, RefreshError},
};

/// An adapter and its provider, where one user has an account.
#[async_trait]
pub trait Stage: Send + Sync {
    /// The adapter, configured to request refresh tokens.
    fn relying_party(&self) -> Arc<dyn IdentityProvider>;

    /// Follows the authorization request, logs in at the provider as that user if it asks, and
    /// returns the authorization response.
    async fn log_in(&self, authorization_url: &str) -> AuthorizationResponse;
}

type Fresh = Arc<dyn Stage>;

/// Makes a test of each clause. Takes a future of `(Arc<dyn Stage>, T)`: a [`Stage`] where nobody has
/// logged in, and a value to keep alive during the test; then attributes for all tests, if any.
///
/// [`Stage`]: crate::identity::Stage
#[macro_export]
macro_rules! identity_provider_contract {
    (@clauses $then:ident $arguments:tt) => {
        $crate::$then! {
            $arguments identity:
            authorization_request_hides_the_verifier
            code_yields_the_same_user_each_time
            refuses_replayed_code
            refuses_one_of_two_simultaneous_redemptions
            refuses_made_up_code_without_showing_it
            refuses_code_of_another_attempt
            refuses_wrong_nonce
            refuses_other_issuer_before_spending_the_code
            accepts_missing_issuer_or_reports_it_as_missing
            renews_tokens_repeatedly
            refuses_made_up_refresh_token_without_showing_it
            refuses_made_up_logout_token_without_showing_it
            log_out_address_holds_the_state
            names_no_setting_behind_refusals_by_the_user
            check_succeeds
        }
    };
    ($($arguments:tt)+) => {
        $crate::identity_provider_contract!(@clauses contract_tests [$($arguments)+]);
    };
}

/// The names of the clauses.
pub const CLAUSES: &[&str] = identity_provider_contract!(@clauses contract_names []);

/// Attempts of different names differ in state, nonce and verifier.
fn attempt(name: &str) -> LoginAttempt {
    LoginAttempt {
        state: State::new(format!("state-of-{name}")),
        nonce: Nonce::new(format!("nonce-of-{name}")),
        // Of 43 characters at least (RFC 7636, section 4.1).
        code_verifier: CodeVerifier::new(format!("{name:-<43}")),
        ..fixtures::attempt(name, "/profile")
    }
}

async fn response(stage: &dyn Stage, attempt: &LoginAttempt) -> AuthorizationResponse {
    let url = stage.relying_party().authorization_url(attempt, Screen::LogIn).await.unwrap();
    stage.log_in(&url).await
}

async fn logged_in(stage: &dyn Stage, name: &str) -> Identity {
    let attempt = attempt(name);
    let response = response(stage, &attempt).await;
    stage.relying_party().redeem(&response, &attempt).await.unwrap()
}

fn session(identity: Identity) -> Session {
    Session::new(SessionId::new([1; 32]), "Firefox on Linux", identity, DateTime::UNIX_EPOCH)
}

/// Values that the provider never issued.
fn hostile() -> [String; 6] {
    let [a, b, c, d, e] = ["made-up", "\u{1f989}\u{202e}", "nul\0nul", "'\"\\<&%", "a\r\nX: y"];
    [a, b, c, d, e, &"x".repeat(10_000)].map(str::to_owned)
}

/// The address holds `state`, `nonce` and the S256 challenge of the verifier, or refers to a pushed
/// request. It does not hold the verifier (RFC 7636, section 7.1).
pub async fn authorization_request_hides_the_verifier(stage: Fresh) {
    for (screen, name) in [(Screen::LogIn, "one"), (Screen::SignUp, "other")] {
        let attempt = attempt(name);
        let url = stage.relying_party().authorization_url(&attempt, screen).await.unwrap();
        assert!(!url.contains(attempt.code_verifier.expose()), "{url}");
        if !url.contains("request_uri=") {
            for parameter in [
                "response_type=code",
                "code_challenge=",
                "code_challenge_method=S256",
                &format!("state={}", attempt.state.expose()),
                &format!("nonce={}", attempt.nonce.expose()),
            ] {
                assert!(url.contains(parameter), "{parameter} in {url}");
            }
        }
    }
}

/// Redeeming a code yields the same issuer and subject at each log-in, with claims and tokens.
pub async fn code_yields_the_same_user_each_time(stage: Fresh) {
    let first = logged_in(&*stage, "first").await;
    let again = logged_in(&*stage, "again").await;
    assert!(!first.subject.issuer.is_empty() && !first.subject.subject.is_empty());
    assert_eq!(first.subject, again.subject);
    let claims = first.claims.to_map();
    assert_eq!(claims["sub"], *first.subject.subject);
    assert_eq!(claims["iss"], *first.subject.issuer);
    assert!(first.tokens.id_token.as_ref().is_some_and(|token| !token.expose().is_empty()));
    assert!(!first.tokens.access_token.expose().is_empty());
    assert_ne!(first.tokens.access_token, again.tokens.access_token);
}

/// A code is accepted once (RFC 6749, section 4.1.2).
pub async fn refuses_replayed_code(stage: Fresh) {
    let attempt = attempt("a");
    let response = response(&*stage, &attempt).await;
    let provider = stage.relying_party();
    assert!(provider.redeem(&response, &attempt).await.is_ok());
    let again = provider.redeem(&response, &attempt).await;
    assert!(matches!(again, Err(RedeemError::CodeRejected(_))), "{again:?}");
}

/// Of two simultaneous redemptions of one code at most one succeeds. The provider may revoke the
/// tokens that it issued for the first (RFC 6749, section 4.1.2).
pub async fn refuses_one_of_two_simultaneous_redemptions(stage: Fresh) {
    let attempt = attempt("a");
    let response = response(&*stage, &attempt).await;
    let provider = stage.relying_party();
    let (one, other) =
        join(provider.redeem(&response, &attempt), provider.redeem(&response, &attempt)).await;
    assert!(one.is_err() || other.is_err(), "{one:?} {other:?}");
}

/// A made-up code is refused, and the error does not contain it.
pub async fn refuses_made_up_code_without_showing_it(stage: Fresh) {
    let real = response(&*stage, &attempt("a")).await;
    for code in hostile() {
        let made_up = AuthorizationCode::new(code.clone());
        let response = AuthorizationResponse { code: made_up, ..real.clone() };
        let refused = stage.relying_party().redeem(&response, &attempt("a")).await;
        let Err(RedeemError::CodeRejected(why) | RedeemError::ProviderFault(why)) = refused else {
            panic!("{refused:?}")
        };
        assert!(!why.contains(&code), "{why}");
    }
}

/// A code of another attempt is refused: its challenge does not match the verifier (RFC 7636, section
/// 4.6).
pub async fn refuses_code_of_another_attempt(stage: Fresh) {
    let response = response(&*stage, &attempt("theirs")).await;
    let mine = LoginAttempt { nonce: attempt("theirs").nonce, ..attempt("mine") };
    let refused = stage.relying_party().redeem(&response, &mine).await;
    assert!(matches!(refused, Err(RedeemError::CodeRejected(_))), "{refused:?}");
}

/// An ID token of another attempt is refused (OpenID Connect Core, section 3.1.3.7, rule 11).
pub async fn refuses_wrong_nonce(stage: Fresh) {
    let theirs = attempt("theirs");
    let response = response(&*stage, &theirs).await;
    let mine = LoginAttempt { nonce: Nonce::new("mine"), ..theirs };
    let refused = stage.relying_party().redeem(&response, &mine).await;
    assert_eq!(refused.err(), Some(RedeemError::WrongNonce));
}

/// A response that names another issuer is refused (RFC 9207, section 2.4) and its code is not sent:
/// it can still be redeemed.
pub async fn refuses_other_issuer_before_spending_the_code(stage: Fresh) {
    let attempt = attempt("a");
    let response = response(&*stage, &attempt).await;
    let provider = stage.relying_party();
    let elsewhere = Some("https://attacker.example/".to_owned());
    let refused = provider.verify_issuer(elsewhere.clone()).await;
    assert!(matches!(refused, Err(RedeemError::WrongIssuer(_))), "{refused:?}");
    let mixed_up = AuthorizationResponse { issuer: elsewhere, code: response.code.clone() };
    let refused = provider.redeem(&mixed_up, &attempt).await;
    assert!(matches!(refused, Err(RedeemError::WrongIssuer(_))), "{refused:?}");
    assert!(provider.redeem(&response, &attempt).await.is_ok());
}

/// A response that names no issuer is accepted, or it is reported as such (RFC 9207, section 2.4) and
/// its code is not sent: it can still be redeemed.
pub async fn accepts_missing_issuer_or_reports_it_as_missing(stage: Fresh) {
    let attempt = attempt("a");
    let response = response(&*stage, &attempt).await;
    let provider = stage.relying_party();
    let unnamed = AuthorizationResponse { issuer: None, code: response.code.clone() };
    match provider.verify_issuer(None).await {
        Ok(()) => assert!(provider.redeem(&unnamed, &attempt).await.is_ok()),
        refused => {
            assert_eq!(refused, Err(RedeemError::MissingIssuer));
            let refused = provider.redeem(&unnamed, &attempt).await;
            assert_eq!(refused.err(), Some(RedeemError::MissingIssuer));
            assert!(provider.redeem(&response, &attempt).await.is_ok());
        }
    }
}

/// A refresh token yields newer tokens, and the refresh token in the result works the next time.
pub async fn renews_tokens_repeatedly(stage: Fresh) {
    let mut session = session(logged_in(&*stage, "a").await);
    for _ in 0..3 {
        let refreshed = stage.relying_party().refresh(&session).await.unwrap();
        assert!(!refreshed.tokens.access_token.expose().is_empty());
        assert_ne!(refreshed.tokens.access_token, session.tokens().access_token);
        assert!(refreshed.tokens.refresh_token.is_some());
        session = session.with(SessionChange::Refreshed(refreshed));
    }
}

/// A missing or made-up refresh token is refused, and the error does not contain it.
pub async fn refuses_made_up_refresh_token_without_showing_it(stage: Fresh) {
    let session = session(logged_in(&*stage, "a").await);
    let with = |refresh_token| {
        let mut session = session.clone();
        session.identity.tokens.refresh_token = refresh_token;
        session
    };
    let refused = stage.relying_party().refresh(&with(None)).await;
    assert!(matches!(refused, Err(RefreshError::Refused(_))), "{refused:?}");
    for made_up in hostile() {
        let session = with(Some(RefreshToken::new(made_up.clone())));
        let refused = stage.relying_party().refresh(&session).await;
        let Err(RefreshError::Refused(why) | RefreshError::ProviderFault(why)) = refused else {
            panic!("{refused:?}")
        };
        assert!(!why.contains(&made_up), "{why}");
    }
}

/// A made-up logout token is refused, and the error does not contain it.
pub async fn refuses_made_up_logout_token_without_showing_it(stage: Fresh) {
    for made_up in hostile() {
        let refused = stage.relying_party().verify_logout_token(&made_up).await;
        let Err(LogoutTokenError::Invalid(why)) = refused else { panic!("{refused:?}") };
        assert!(!why.contains(&made_up), "{why}");
    }
}

/// Where the provider has a log-out endpoint, the address holds the state, whatever ID token the
/// session has.
pub async fn log_out_address_holds_the_state(stage: Fresh) {
    let provider = stage.relying_party();
    let state = State::new("state-of-the-log-out");
    let mut identity = logged_in(&*stage, "a").await;
    for hint in [identity.tokens.id_token.clone(), None, Some(IdToken::new("expired"))] {
        identity.tokens.id_token = hint;
        if let Some(url) = provider.end_session_url(&identity, &state).await.unwrap() {
            assert!(url.contains("state-of-the-log-out"), "{url}");
        }
    }
}

/// What the user or the provider's state causes is not blamed on the settings: nobody could correct it.
pub async fn names_no_setting_behind_refusals_by_the_user(stage: Fresh) {
    let provider = stage.relying_party();
    for error in [
        "access_denied",
        "login_required",
        "consent_required",
        "interaction_required",
        "account_selection_required",
        "invalid_grant",
        "server_error",
        "temporarily_unavailable",
        "",
    ] {
        assert_eq!(provider.settings_behind(error), None, "{error}");
    }
}

/// The check of a running provider succeeds.
pub async fn check_succeeds(stage: Fresh) {
    assert_eq!(stage.relying_party().check().await, Ok(()));
}

/// While the provider is down no log-in succeeds, and no refresh reports that the session is over.
/// Afterwards log-ins and refreshes work, also with earlier refresh tokens.
pub async fn reports_outage_without_ending_sessions(stage: Fresh, server: &mut dyn Server) {
    let session = session(logged_in(&*stage, "before").await);
    let attempt = attempt("a");
    let response = response(&*stage, &attempt).await;
    let provider = stage.relying_party();
    server.stop().await;
    let start = Instant::now();
    let redeemed = provider.redeem(&response, &attempt).await;
    assert!(
        matches!(redeemed, Err(RedeemError::ProviderFault(_) | RedeemError::ProviderTimeout(_))),
        "{redeemed:?}"
    );
    let refreshed = provider.refresh(&session).await;
    assert!(
        matches!(refreshed, Err(RefreshError::ProviderFault(_) | RefreshError::ProviderTimeout(_))),
        "{refreshed:?}"
    );
    assert!(provider.check().await.is_err());
    assert!(start.elapsed() < OUTAGE_TIMEOUT, "{:?}", start.elapsed());
    server.start_again().await;
    assert_eq!(provider.check().await, Ok(()));
    logged_in(&*stage, "after").await;
    provider.refresh(&session).await.unwrap();
}
