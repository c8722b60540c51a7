//! Error responses of the provider (RFC 6749, section 4.1.2.1; RFC 9207, section 2.4).

use portico_contracts::fixtures;
use portico_domain::{
    model::{Callback, ProviderRefusal},
    ports::{MockIdentityProvider, RedeemError},
    use_cases::LoginError,
};
use rstest::rstest;

use super::{Setup, callback_with_code};

fn refusal(issuer: Option<&str>) -> ProviderRefusal {
    ProviderRefusal {
        error: "access_denied".into(),
        description: Some("no".into()),
        issuer: issuer.map(Into::into),
    }
}

#[tokio::test]
async fn error_of_provider_uses_attempt_up() {
    let setup = Setup::new().await;
    let refusal = refusal(Some(fixtures::ISSUER));
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_verify_issuer()
        .once()
        .withf(|issuer| issuer.as_deref() == Some(fixtures::ISSUER))
        .returning(|_| Ok(()));
    identity.expect_settings_behind().once().return_const(None);
    let callback = Callback { outcome: Err(refusal.clone()), ..callback_with_code() };
    assert_eq!(setup.run(&identity, callback).await, Err(LoginError::Refused(refusal)));
    assert!(!setup.has_attempt().await);
}

#[rstest]
#[case::wrong_issuer(RedeemError::WrongIssuer("https://evil.example".into()))]
#[case::provider_fault(RedeemError::ProviderFault("500".into()))]
#[case::provider_timeout(RedeemError::ProviderTimeout("10 s".into()))]
#[tokio::test]
async fn shows_no_error_response_of_unverified_issuer(#[case] error: RedeemError) {
    let setup = Setup::new().await;
    let mut identity = MockIdentityProvider::new();
    let answer = error.clone();
    identity
        .expect_verify_issuer()
        .once()
        .withf(|issuer| issuer.as_deref() == Some("https://evil.example"))
        .returning(move |_| Err(answer.clone()));
    let outcome = Err(refusal(Some("https://evil.example")));
    let refused = setup.run(&identity, Callback { outcome, ..callback_with_code() }).await;
    assert_eq!(refused, Err(LoginError::Redeem(error)));
}

#[tokio::test]
async fn error_that_settings_cause_names_them() {
    let setup = Setup::new().await;
    let mut identity = MockIdentityProvider::new();
    identity.expect_verify_issuer().once().returning(|_| Ok(()));
    identity
        .expect_settings_behind()
        .once()
        .withf(|error| error == "access_denied")
        .return_const(Some("OIDC_SCOPES"));
    let callback = Callback { outcome: Err(refusal(None)), ..callback_with_code() };
    let refused = setup.run(&identity, callback).await;
    let Err(LoginError::Redeem(RedeemError::Misconfigured(text))) = refused else {
        panic!("{refused:?}")
    };
    assert!(text.contains("access_denied") && text.ends_with("check OIDC_SCOPES"), "{text}");
    assert!(!setup.has_attempt().await);
}

#[tokio::test]
async fn error_response_without_announced_issuer_stays_unverified() {
    let setup = Setup::new().await;
    let mut identity = MockIdentityProvider::new();
    identity
        .expect_verify_issuer()
        .once()
        .withf(Option::is_none)
        .returning(|_| Err(RedeemError::MissingIssuer));
    let callback = Callback { outcome: Err(refusal(None)), ..callback_with_code() };
    let refused = setup.run(&identity, callback).await;
    assert_eq!(refused, Err(LoginError::UnverifiedRefusal(refusal(None))));
    assert!(!setup.has_attempt().await);
}
