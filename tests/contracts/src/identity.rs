//! What every [`IdentityProvider`] promises.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use chrono::DateTime;

use crate::{SOON, Server, fixtures};
use futures_util::future::join;
use portico_domain::{
    model::{
        AuthorizationCode, AuthorizationResponse, CodeVerifier, IdToken, Identity, LoginAttempt,
        Nonce, RefreshToken, Screen, Session, SessionId, State, Tokens,
    },
    ports::{IdentityProvider, LogoutTokenError, RedeemError, RefreshError},
};

/// An adapter, and the provider across from it, where somebody has an account.
#[async_trait]
pub trait Stage: Send + Sync {
    /// The adapter: one that asks for refresh tokens.
    fn relying_party(&self) -> Arc<dyn IdentityProvider>;

    /// Goes where the browser is sent, signs in there if asked, and comes back with the answer:
    /// always as the same person.
    async fn sign_in(&self, authorization_url: &str) -> AuthorizationResponse;
}

type Fresh = Arc<dyn Stage>;

/// Makes a named test of each clause. Takes a future of `(Arc<dyn Stage>, T)`: a [`Stage`] where
/// nobody has signed in, and whatever must live as long as it; then attributes for all the tests,
/// if any.
///
/// [`Stage`]: crate::identity::Stage
#[macro_export]
macro_rules! identity_provider_contract {
    (@clauses $then:ident $arguments:tt) => {
        $crate::$then! {
            $arguments identity:
            the_authorization_request_holds_the_attempt_but_not_its_verifier
            a_code_says_who_signed_in
            a_code_is_good_once
            of_two_who_redeem_a_code_at_once_one_at_most_is_signed_in
            a_made_up_code_signs_nobody_in
            a_code_of_another_attempt_signs_nobody_in
            the_id_token_is_held_against_the_nonce
            an_answer_of_another_issuer_is_refused_before_the_code_is_spent
            tokens_are_renewed_again_and_again
            a_refresh_token_that_is_none_is_refused
            a_made_up_logout_token_is_refused
            a_log_out_leads_to_the_provider_with_its_state
            the_provider_answers
        }
    };
    ($($arguments:tt)+) => {
        $crate::identity_provider_contract!(@clauses contract_tests [$($arguments)+]);
    };
}

/// The names of the clauses.
pub const CLAUSES: &[&str] = identity_provider_contract!(@clauses contract_names []);

/// Two attempts differ in state, nonce and verifier when their names do.
fn attempt(name: &str) -> LoginAttempt {
    LoginAttempt {
        state: State::new(format!("state-of-{name}")),
        nonce: Nonce::new(format!("nonce-of-{name}")),
        // Of 43 characters at least (RFC 7636, section 4.1).
        code_verifier: CodeVerifier::new(format!("{name:-<43}")),
        ..fixtures::attempt(name, "/profile")
    }
}

async fn answer(stage: &dyn Stage, attempt: &LoginAttempt) -> AuthorizationResponse {
    let url = stage.relying_party().authorization_url(attempt, Screen::LogIn).await.unwrap();
    stage.sign_in(&url).await
}

async fn signed_in(stage: &dyn Stage, name: &str) -> Identity {
    let attempt = attempt(name);
    let response = answer(stage, &attempt).await;
    stage.relying_party().redeem(&response, &attempt).await.unwrap()
}

fn session(identity: Identity) -> Session {
    Session::new(SessionId::new([1; 32]), "Firefox on Linux", identity, DateTime::UNIX_EPOCH)
}

/// Values that nobody was given.
fn hostile() -> [String; 6] {
    let [a, b, c, d, e] = ["made-up", "\u{1f989}\u{202e}", "nul\0nul", "'\"\\<&%", "a\r\nX: y"];
    [a, b, c, d, e, &"x".repeat(10_000)].map(str::to_owned)
}

/// The provider learns `state`, `nonce` and the S256 challenge of the verifier, by the address or
/// by a request pushed ahead; nobody who sees the address learns the verifier (RFC 7636, section
/// 7.1).
pub async fn the_authorization_request_holds_the_attempt_but_not_its_verifier(stage: Fresh) {
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

/// The code makes an identity: the same person each time, by issuer and subject, with the claims
/// and the tokens that the provider gave.
pub async fn a_code_says_who_signed_in(stage: Fresh) {
    let first = signed_in(&*stage, "first").await;
    let again = signed_in(&*stage, "again").await;
    assert!(!first.issuer.is_empty() && !first.subject.is_empty());
    assert_eq!((&first.issuer, &first.subject), (&again.issuer, &again.subject));
    let claims = first.claims.to_map();
    assert_eq!(claims["sub"], *first.subject);
    assert_eq!(claims["iss"], *first.issuer);
    assert!(!first.tokens.id_token.expose().is_empty());
    assert!(!first.tokens.access_token.expose().is_empty());
    assert_ne!(first.tokens.access_token, again.tokens.access_token);
}

/// A code that was redeemed is refused (RFC 6749, section 4.1.2).
pub async fn a_code_is_good_once(stage: Fresh) {
    let attempt = attempt("a");
    let response = answer(&*stage, &attempt).await;
    let provider = stage.relying_party();
    assert!(provider.redeem(&response, &attempt).await.is_ok());
    let again = provider.redeem(&response, &attempt).await;
    assert!(matches!(again, Err(RedeemError::CodeRejected(_))), "{again:?}");
}

/// Two answers with one code do not make two logins. The provider may take back what it gave for
/// the first (RFC 6749, section 4.1.2).
pub async fn of_two_who_redeem_a_code_at_once_one_at_most_is_signed_in(stage: Fresh) {
    let attempt = attempt("a");
    let response = answer(&*stage, &attempt).await;
    let provider = stage.relying_party();
    let (one, other) =
        join(provider.redeem(&response, &attempt), provider.redeem(&response, &attempt)).await;
    assert!(one.is_err() || other.is_err(), "{one:?} {other:?}");
}

/// Whatever a stranger brings as a code: nobody is signed in, and nothing that is said shows it.
pub async fn a_made_up_code_signs_nobody_in(stage: Fresh) {
    let real = answer(&*stage, &attempt("a")).await;
    for code in hostile() {
        let code_of_nobody = AuthorizationCode::new(code.clone());
        let response = AuthorizationResponse { code: code_of_nobody, ..real.clone() };
        let refused = stage.relying_party().redeem(&response, &attempt("a")).await;
        let Err(RedeemError::CodeRejected(why) | RedeemError::ProviderFault(why)) = refused else {
            panic!("{refused:?}")
        };
        assert!(!why.contains(&code), "{why}");
    }
}

/// A code that was put into another visitor's answer is refused: its challenge does not match
/// (RFC 7636, section 4.6).
pub async fn a_code_of_another_attempt_signs_nobody_in(stage: Fresh) {
    let response = answer(&*stage, &attempt("theirs")).await;
    let mine = LoginAttempt { nonce: attempt("theirs").nonce, ..attempt("mine") };
    let refused = stage.relying_party().redeem(&response, &mine).await;
    assert!(matches!(refused, Err(RedeemError::CodeRejected(_))), "{refused:?}");
}

/// An ID token that was made for another attempt signs nobody in (OpenID Connect Core, section
/// 3.1.3.7, rule 11).
pub async fn the_id_token_is_held_against_the_nonce(stage: Fresh) {
    let theirs = attempt("theirs");
    let response = answer(&*stage, &theirs).await;
    let mine = LoginAttempt { nonce: Nonce::new("mine"), ..theirs };
    let refused = stage.relying_party().redeem(&response, &mine).await;
    assert_eq!(refused.err(), Some(RedeemError::WrongNonce));
}

/// An answer that another issuer signs is refused (RFC 9207, section 2.4), and its code is sent
/// nowhere: it is still good.
pub async fn an_answer_of_another_issuer_is_refused_before_the_code_is_spent(stage: Fresh) {
    let attempt = attempt("a");
    let response = answer(&*stage, &attempt).await;
    let provider = stage.relying_party();
    let elsewhere = Some("https://attacker.example/".to_owned());
    let refused = provider.verify_issuer(elsewhere.clone()).await;
    assert!(matches!(refused, Err(RedeemError::WrongIssuer(_))), "{refused:?}");
    let mixed_up = AuthorizationResponse { issuer: elsewhere, code: response.code.clone() };
    let refused = provider.redeem(&mixed_up, &attempt).await;
    assert!(matches!(refused, Err(RedeemError::WrongIssuer(_))), "{refused:?}");
    assert!(provider.redeem(&response, &attempt).await.is_ok());
}

/// With a refresh token there are newer tokens, for the same person; whatever came with them can be
/// used the next time.
pub async fn tokens_are_renewed_again_and_again(stage: Fresh) {
    let mut session = session(signed_in(&*stage, "a").await);
    for _ in 0..3 {
        let refreshed = stage.relying_party().refresh(&session).await.unwrap();
        assert!(!refreshed.tokens.access_token.expose().is_empty());
        assert_ne!(refreshed.tokens.access_token, session.tokens.access_token);
        assert!(refreshed.tokens.refresh_token.is_some());
        assert!(!refreshed.tokens.id_token.expose().is_empty());
        session.tokens = refreshed.tokens;
    }
}

/// Without a refresh token, or with one that nobody was given, the person has to sign in again; and
/// nothing that is said shows it.
pub async fn a_refresh_token_that_is_none_is_refused(stage: Fresh) {
    let session = session(signed_in(&*stage, "a").await);
    let with = |refresh_token| Session {
        tokens: Tokens { refresh_token, ..session.tokens.clone() },
        ..session.clone()
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

/// Whatever a stranger brings as a logout token is refused, and nothing that is said shows it.
pub async fn a_made_up_logout_token_is_refused(stage: Fresh) {
    for made_up in hostile() {
        let refused = stage.relying_party().verify_logout_token(&made_up).await;
        let Err(LogoutTokenError::Invalid(why)) = refused else { panic!("{refused:?}") };
        assert!(!why.contains(&made_up), "{why}");
    }
}

/// Where the provider has a place to log out, the way there holds the state, and its origin is one
/// that pages may send a form to. With a hint and without.
pub async fn a_log_out_leads_to_the_provider_with_its_state(stage: Fresh) {
    let provider = stage.relying_party();
    let hint = signed_in(&*stage, "a").await.tokens.id_token;
    for hint in [Some(hint), None, Some(IdToken::new("expired"))] {
        let Some(url) =
            provider.end_session_url(hint, &State::new("state-of-the-log-out")).await.unwrap()
        else {
            continue;
        };
        assert!(url.contains("state-of-the-log-out"), "{url}");
        let origins = provider.end_session_origins();
        assert!(origins.iter().any(|origin| url.starts_with(origin)), "{url} {origins:?}");
    }
}

/// A provider that works says so.
pub async fn the_provider_answers(stage: Fresh) {
    assert_eq!(stage.relying_party().check().await, Ok(()));
}

/// While the provider is away nobody is signed in and nobody's session is said to be over;
/// afterwards people sign in again, and the tokens from before are renewed.
pub async fn an_outage_is_said_and_ends_no_session(stage: Fresh, server: &mut dyn Server) {
    let session = session(signed_in(&*stage, "before").await);
    let attempt = attempt("a");
    let response = answer(&*stage, &attempt).await;
    let provider = stage.relying_party();
    server.stop().await;
    let begun = Instant::now();
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
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    server.start_again().await;
    assert_eq!(provider.check().await, Ok(()));
    signed_in(&*stage, "after").await;
    provider.refresh(&session).await.unwrap();
}
