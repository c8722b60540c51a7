use openidconnect::{
    ClientId, ClientSecret, IssuerUrl, Nonce,
    core::{CoreIdToken, CoreIdTokenVerifier, CoreProviderMetadata},
};

use crate::browser::{Browser, claims, settings};
use portico_adapters::{
    http::{HttpClient, Limits},
    tls,
};
use portico_development::{Fault, World};

async fn discover(world: &World) -> Result<CoreProviderMetadata, String> {
    let http = HttpClient::new(tls::client_config(None).unwrap(), Limits::default()).unwrap();
    let issuer = IssuerUrl::new(world.issuer().into()).unwrap();
    CoreProviderMetadata::discover_async(issuer, &http).await.map_err(|error| error.to_string())
}

/// Whether `openidconnect` believes the token, with an ordinary verifier.
async fn believed(world: &World, token: &serde_json::Value) -> bool {
    let metadata = discover(world).await.unwrap();
    let verifier = CoreIdTokenVerifier::new_confidential_client(
        ClientId::new("portico".into()),
        ClientSecret::new("a secret: 100 % + some".into()),
        metadata.issuer().clone(),
        metadata.jwks().clone(),
    );
    let nonce = Nonce::new("a nonce".into());
    let token: Result<CoreIdToken, _> = token.as_str().unwrap().parse();
    token.is_ok_and(|token| token.claims(&verifier, &nonce).is_ok())
}

#[tokio::test]
async fn an_ordinary_relying_party_believes_the_behaving_provider() {
    let world = World::start(settings()).await.unwrap();
    let tokens = Browser::of(&world).tokens("user@example.com", &[]).await;
    assert!(believed(&world, &tokens["id_token"]).await);
}

#[tokio::test]
async fn discovery_misbehaves_on_demand() {
    let world = World::start(settings()).await.unwrap();
    for fault in [Fault::DiscoveryFails, Fault::DiscoveryWrongIssuer, Fault::DiscoveryHtml] {
        world.faults().set(fault);
        assert!(discover(&world).await.is_err(), "{fault:?}");
        world.faults().clear();
        assert!(discover(&world).await.is_ok());
    }
    let mut browser = Browser::of(&world);
    let path = "/.well-known/openid-configuration";
    assert!(browser.get(path).await.json()["end_session_endpoint"].is_string());
    world.faults().set(Fault::NoEndSessionEndpoint);
    assert!(browser.get(path).await.json()["end_session_endpoint"].is_null());
}

#[tokio::test]
async fn wrong_id_tokens_are_refused_by_an_ordinary_relying_party() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    for fault in [
        Fault::WrongIssuer,
        Fault::WrongAudience,
        Fault::WrongNonce,
        Fault::Expired,
        Fault::AlgNone,
        Fault::Hs256,
        Fault::FlippedSignature,
    ] {
        world.faults().set(fault);
        let tokens = browser.tokens("user@example.com", &[]).await;
        assert!(!believed(&world, &tokens["id_token"]).await, "{fault:?}");
        world.faults().clear();
    }
}

#[tokio::test]
async fn the_subtler_faults_change_the_claim_they_name() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let right = claims(&browser.tokens("user@example.com", &[]).await["id_token"]);
    for (fault, claim) in [
        (Fault::EmptySubject, "sub"),
        (Fault::WrongSubject, "sub"),
        (Fault::WrongAccessTokenHash, "at_hash"),
        (Fault::ForeignAuthorizedParty, "azp"),
        (Fault::IssuedInTheFuture, "iat"),
    ] {
        world.faults().set(fault);
        let wrong = claims(&browser.tokens("user@example.com", &[]).await["id_token"]);
        assert_ne!(right[claim], wrong[claim], "{fault:?}");
        world.faults().clear();
    }
}

#[tokio::test]
async fn token_endpoint_and_userinfo_misbehave_on_demand() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let tokens = browser.tokens("user@example.com", &[]).await;
    let access = tokens["access_token"].as_str().unwrap();
    world.faults().set(Fault::TokenInvalidGrant);
    assert_eq!(browser.redeem("any", &[]).await.json()["error"], "invalid_grant");
    world.faults().set(Fault::TokenFails);
    assert_eq!(browser.redeem("any", &[]).await.status, 500);
    world.faults().clear();
    world.faults().set(Fault::NoIdToken);
    assert!(browser.tokens("user@example.com", &[]).await["id_token"].is_null());
    world.faults().set(Fault::UserinfoWrongSubject);
    assert_ne!(browser.userinfo(access).await.json()["sub"], "dev|user");
    world.faults().set(Fault::UserinfoRefuses);
    assert_eq!(browser.userinfo(access).await.status, 401);
}
