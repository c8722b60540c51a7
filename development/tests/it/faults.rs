use openidconnect::{
    ClientId, ClientSecret, IssuerUrl, Nonce,
    core::{CoreIdToken, CoreIdTokenVerifier, CoreProviderMetadata},
};

use crate::client::{Client, claims, settings};
use portico_adapters::{
    http::{HttpClient, Limits},
    tls,
};
use portico_development::{DevelopmentServers, Fault};

async fn discover(servers: &DevelopmentServers) -> Result<CoreProviderMetadata, String> {
    let http = HttpClient::new(tls::client_config(None).unwrap(), Limits::default()).unwrap();
    let issuer = IssuerUrl::new(servers.issuer().into()).unwrap();
    CoreProviderMetadata::discover_async(issuer, &http).await.map_err(|error| error.to_string())
}

/// Whether `openidconnect` accepts the ID token.
async fn accepts(servers: &DevelopmentServers, token: &serde_json::Value) -> bool {
    let metadata = discover(servers).await.unwrap();
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
async fn openidconnect_accepts_id_token_without_faults() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let tokens = Client::of(&servers).tokens("user@example.com", &[]).await;
    assert!(accepts(&servers, &tokens["id_token"]).await);
}

#[tokio::test]
async fn discovery_faults_take_effect() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    for fault in [Fault::DiscoveryFails, Fault::DiscoveryWrongIssuer, Fault::DiscoveryHtml] {
        servers.faults().set(fault);
        assert!(discover(&servers).await.is_err(), "{fault:?}");
        servers.faults().clear();
        assert!(discover(&servers).await.is_ok());
    }
    let client = Client::of(&servers);
    let path = "/.well-known/openid-configuration";
    assert!(client.get(path).await.json()["end_session_endpoint"].is_string());
    servers.faults().set(Fault::NoEndSessionEndpoint);
    assert!(client.get(path).await.json()["end_session_endpoint"].is_null());
}

#[tokio::test]
async fn openidconnect_refuses_invalid_id_tokens() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    for fault in [
        Fault::WrongIssuer,
        Fault::WrongAudience,
        Fault::WrongNonce,
        Fault::Expired,
        Fault::AlgNone,
        Fault::Hs256,
        Fault::InvalidSignature,
    ] {
        servers.faults().set(fault);
        let tokens = client.tokens("user@example.com", &[]).await;
        assert!(!accepts(&servers, &tokens["id_token"]).await, "{fault:?}");
        servers.faults().clear();
    }
}

#[tokio::test]
async fn claim_faults_change_their_claim() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let valid = claims(&client.tokens("user@example.com", &[]).await["id_token"]);
    for (fault, claim) in [
        (Fault::EmptySubject, "sub"),
        (Fault::WrongSubject, "sub"),
        (Fault::WrongAccessTokenHash, "at_hash"),
        (Fault::WrongAuthorizedParty, "azp"),
        (Fault::IssuedInTheFuture, "iat"),
    ] {
        servers.faults().set(fault);
        let invalid = claims(&client.tokens("user@example.com", &[]).await["id_token"]);
        assert_ne!(valid[claim], invalid[claim], "{fault:?}");
        servers.faults().clear();
    }
}

#[tokio::test]
async fn token_and_userinfo_faults_take_effect() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let tokens = client.tokens("user@example.com", &[]).await;
    let access = tokens["access_token"].as_str().unwrap();
    servers.faults().set(Fault::TokenInvalidGrant);
    assert_eq!(client.redeem("any", &[]).await.json()["error"], "invalid_grant");
    servers.faults().set(Fault::TokenFails);
    assert_eq!(client.redeem("any", &[]).await.status, 500);
    servers.faults().clear();
    servers.faults().set(Fault::NoIdToken);
    assert!(client.tokens("user@example.com", &[]).await["id_token"].is_null());
    servers.faults().set(Fault::UserinfoWrongSubject);
    assert_ne!(client.userinfo(access).await.json()["sub"], "dev|user");
    servers.faults().set(Fault::UserinfoUnauthorized);
    assert_eq!(client.userinfo(access).await.status, 401);
}
