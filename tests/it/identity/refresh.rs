//! Refreshing tokens (OpenID Connect Core, section 12).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use portico_adapters::{http::Limits, system::SystemClock};
use portico_development::Fault;
use portico_domain::{
    model::{RefreshToken, RefreshedTokens, Session, SessionId},
    ports::{Clock, IdentityProvider, RefreshError},
};
use portico_tests::stub_server::{Response, StubServer};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::{
    ProviderSetup, attempt, provider,
    script::{ATTEMPT, Script, Scripted, signing_key},
    settings,
};

pub(super) fn session_of(identity: portico_domain::model::Identity) -> Session {
    Session::new(SessionId::new([1; 32]), "A browser", identity, SystemClock.now())
}

/// A session at the development provider, with a refresh token.
async fn signed_in(setup: &ProviderSetup) -> (impl IdentityProvider + use<>, Session) {
    let mut settings = setup.settings();
    settings.scopes.push("offline_access".into());
    let oidc = provider(settings, Limits::default(), Arc::new(SystemClock));
    let identity = setup.log_in(&oidc).await.unwrap();
    assert!(identity.tokens.refresh_token.is_some());
    (oidc, session_of(identity))
}

fn with(session: &Session, refreshed: RefreshedTokens) -> Session {
    session.clone().with(portico_domain::model::SessionChange::Refreshed(refreshed))
}

#[tokio::test]
async fn refreshes_repeatedly_with_rotated_tokens() {
    let setup = ProviderSetup::start().await;
    let (oidc, mut session) = signed_in(&setup).await;
    for _ in 0..3 {
        let before = setup.requested();
        let newer = with(&session, oidc.refresh(&session).await.unwrap());
        assert_eq!(setup.requests_since(before), [0, 0, 1, 0], "no other request");
        assert_ne!(newer.tokens().access_token, session.tokens().access_token);
        assert_ne!(newer.tokens().refresh_token, session.tokens().refresh_token);
        assert_ne!(newer.tokens().id_token, session.tokens().id_token);
        let expiry = newer.tokens().access_token_expires_at.unwrap();
        assert!(expiry > SystemClock.now() + TimeDelta::minutes(59));
        // A refreshed ID token lacks `sid`: the one from the login stays.
        assert!(newer.identity.provider_session_id.is_some());
        assert_eq!(newer.identity.permissions, session.identity.permissions);
        session = newer;
    }
}

#[tokio::test]
async fn refuses_used_and_missing_refresh_token() {
    let setup = ProviderSetup::start().await;
    let (oidc, session) = signed_in(&setup).await;
    oidc.refresh(&session).await.unwrap();
    let again = oidc.refresh(&session).await;
    assert!(matches!(again, Err(RefreshError::Refused(_))), "{again:?}");

    let before = setup.requested();
    let mut without = session;
    without.identity.tokens.refresh_token = None;
    let refused = oidc.refresh(&without).await;
    assert!(matches!(refused, Err(RefreshError::Refused(_))), "{refused:?}");
    assert_eq!(setup.requests_since(before), [0; 4]);
}

#[tokio::test]
async fn distinguishes_refresh_errors() {
    type Kind = fn(&RefreshError) -> bool;
    let refused: Kind = |error| matches!(error, RefreshError::Refused(_));
    let invalid: Kind = |error| matches!(error, RefreshError::InvalidIdentity(_));
    let fault_reported: Kind = |error| matches!(error, RefreshError::ProviderFault(_));
    let timed_out: Kind = |error| matches!(error, RefreshError::ProviderTimeout(_));
    for (fault, kind) in [
        (Fault::TokenInvalidGrant, refused),
        (Fault::WrongSubject, invalid),
        (Fault::EmptySubject, invalid),
        (Fault::WrongIssuer, invalid),
        (Fault::WrongAudience, invalid),
        (Fault::WrongNonce, invalid),
        (Fault::Expired, invalid),
        (Fault::IssuedInTheFuture, invalid),
        (Fault::AlgNone, invalid),
        (Fault::Hs256, invalid),
        (Fault::InvalidSignature, invalid),
        (Fault::WrongAccessTokenHash, invalid),
        (Fault::WrongAuthorizedParty, invalid),
        (Fault::TokenFails, fault_reported),
        (Fault::TokenSlow(Duration::from_secs(3)), timed_out),
    ] {
        let setup = ProviderSetup::start().await;
        let mut settings = setup.settings();
        settings.scopes.push("offline_access".into());
        let limits = Limits { total: Duration::from_secs(1), ..Limits::default() };
        let oidc = provider(settings, limits, Arc::new(SystemClock));
        let session = session_of(setup.log_in(&oidc).await.unwrap());
        setup.servers.faults().set(fault);
        let error = oidc.refresh(&session).await.map(|_| ()).expect_err(&format!("{fault:?}"));
        assert!(kind(&error), "{fault:?}: {error:?}");
        let secret = session.tokens().refresh_token.clone().unwrap();
        assert!(!format!("{error:?}").contains(secret.expose()), "{fault:?}");
    }
}

/// Refreshes a session at a scripted provider, whose response `change` alters.
async fn scripted(
    change: impl FnOnce(&mut Script),
) -> (Scripted, Result<RefreshedTokens, RefreshError>) {
    // One signing key for both responses.
    let mut script = Script::default();
    let nonce = attempt(ATTEMPT).nonce.expose().to_owned();
    script.claims = json!({ "auth_time": 1_000 });
    let claims = json!({
        "iss": "", "sub": "ann", "aud": "portico", "auth_time": 1_000, "nonce": nonce,
        "org_id": "org_1", "org_name": "acme",
    });
    change(&mut script);
    let provider = script.start().await;
    let mut claims = claims;
    claims["iss"] = provider.issuer().into();
    let mut session = portico_contracts::fixtures::session();
    session.identity.subject = portico_domain::model::Subject::new(provider.issuer(), "ann");
    let id_token = portico_domain::model::IdToken::new(unsigned(&claims));
    session.identity.tokens.id_token = Some(id_token);
    session.identity.claims = portico_domain::model::Claims::new(claims.as_object().unwrap());
    session.identity.tokens.refresh_token = Some(RefreshToken::new("the first one"));
    let answer = provider.provider().refresh(&session).await;
    (provider, answer)
}

fn unsigned(claims: &Value) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[tokio::test]
async fn new_id_token_must_match_the_first() {
    type Change = fn(&mut Script);
    let good: [(&str, Change); 6] = [
        ("the organization", |script| script.claims = json!({ "org_id": "org_1" })),
        ("its name", |script| script.claims = json!({ "org_name": "ACME" })),
        ("as at the login", |_| {}),
        ("no nonce", |script| script.claims = json!({ "nonce": null })),
        ("no auth_time", |script| script.claims = json!({ "auth_time": null })),
        ("the audience as a list", |script| script.claims = json!({ "aud": ["portico"] })),
    ];
    for (name, change) in good {
        let (_, answer) = scripted(change).await;
        assert!(answer.is_ok(), "{name}: {answer:?}");
    }
    let bad: [(&str, Change); 9] = [
        ("org_id, no text", |script| script.claims = json!({ "org_id": 1 })),
        ("org_id", |script| script.claims = json!({ "org_id": "org_2", "org_name": "acme" })),
        ("org_name", |script| script.claims = json!({ "org_name": "other" })),
        ("sub", |script| script.claims = json!({ "sub": "bob" })),
        ("iss", |script| script.claims = json!({ "iss": "https://other.example" })),
        ("nonce", |script| script.claims = json!({ "nonce": "another" })),
        ("auth_time", |script| script.claims = json!({ "auth_time": 2_000 })),
        ("aud", |script| script.claims = json!({ "aud": ["portico", "other"], "azp": "portico" })),
        ("key", |script| script.signer = signing_key("ES256", Some("one"))),
    ];
    for (name, change) in bad {
        let (_, answer) = scripted(change).await;
        assert!(matches!(answer, Err(RefreshError::InvalidIdentity(_))), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn keeps_tokens_that_response_omits() {
    let (provider, answer) = scripted(|script| {
        script.token = json!({ "id_token": null, "expires_in": 60 });
    })
    .await;
    let RefreshedTokens { tokens, permissions, .. } = answer.unwrap();
    assert_eq!(tokens.refresh_token, Some(RefreshToken::new("the first one")));
    assert!(tokens.id_token.is_some_and(|token| token.expose().starts_with("e30.")));
    assert!(tokens.access_token_expires_at.is_some());
    assert_eq!(permissions, Some(portico_contracts::fixtures::permissions()));
    let requested = provider.requested("/token");
    assert_eq!(requested.len(), 1);
    assert!(requested[0].body.contains("grant_type=refresh_token"));
    assert!(requested[0].body.contains("refresh_token=the+first+one"));
    assert!(requested[0].header("authorization").unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn retries_once_after_lost_response() {
    let lost = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
    let count = lost.clone();
    tokio::spawn(async move {
        loop {
            // Reads the request and closes the connection.
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4_096]).await;
        }
    });
    let metadata = json!({ "token_endpoint": endpoint });
    let (_, answer) = scripted(|script| script.metadata = metadata).await;
    assert!(matches!(answer, Err(RefreshError::ProviderFault(_))), "{answer:?}");
    assert_eq!(lost.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn missing_metadata_ends_no_session() {
    let server = StubServer::start(|_| Response::html(500, "broken")).await;
    let issuer = server.url().origin().ascii_serialization();
    let oidc = provider(settings(&issuer), Limits::default(), Arc::new(SystemClock));
    let mut session = portico_contracts::fixtures::session();
    session.identity.tokens.refresh_token = Some(RefreshToken::new("a token"));
    let answer = oidc.refresh(&session).await;
    assert!(matches!(answer, Err(RefreshError::ProviderFault(_))), "{answer:?}");
}

#[tokio::test]
async fn refuses_revoked_refresh_token() {
    let setup = ProviderSetup::start().await;
    let (oidc, session) = signed_in(&setup).await;
    let token = session.tokens().refresh_token.clone().unwrap();
    oidc.revoke(&token, TimeDelta::zero()).await;
    let revoked = async {
        while setup.servers.request_count("revoked") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), revoked).await.expect("it is revoked");
    let refused = oidc.refresh(&session).await;
    assert!(matches!(refused, Err(RefreshError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn returns_rotated_refresh_token_of_unusable_response() {
    type Change = fn(&mut Script);
    let rows: [(&str, Change); 4] = [
        ("another token type", |script| script.token["token_type"] = "DPoP".into()),
        ("no access token", |script| script.token["access_token"] = Value::Null),
        ("a page's media type", |script| script.token_media_type = "text/html"),
        ("no key set", |script| {
            script.signer = signing_key("ES256", Some("new"));
            let broken = Response::html(500, "broken");
            script.key_sets = Some(Box::new(move |number| (number > 0).then(|| broken.clone())));
        }),
    ];
    for (row, change) in rows {
        let (_, answer) = scripted(|script| {
            script.token = json!({ "refresh_token": "rotated" });
            change(script);
        })
        .await;
        let Err(RefreshError::Incomplete { refresh_token, .. }) = answer else {
            panic!("{row}: {answer:?}")
        };
        assert_eq!(refresh_token, RefreshToken::new("rotated"), "{row}");
    }
    let (_, answer) = scripted(|script| {
        script.token = json!({ "refresh_token": "rotated", "scope": ["openid"] });
    })
    .await;
    assert_eq!(answer.unwrap().tokens.refresh_token, Some(RefreshToken::new("rotated")));
}

#[tokio::test]
async fn oauth_error_about_the_settings_is_no_refusal_of_refresh_token() {
    for (status, error, named) in [
        (401, "invalid_client", "OIDC_CLIENT_SECRET"),
        (400, "unauthorized_client", "OIDC_CLIENT_ID"),
        (400, "unsupported_grant_type", "OIDC_CLIENT_ID"),
        (400, "invalid_scope", "OIDC_SCOPES"),
    ] {
        let answer = Response::json(status, json!({ "error": error }));
        let (_, answer) = scripted(|script| script.instead_of_token = Some(answer)).await;
        let Err(RefreshError::Misconfigured(text)) = answer else { panic!("{error}: {answer:?}") };
        assert!(text.contains(named), "{text}");
    }
}

#[tokio::test]
async fn oauth_error_about_refresh_token_refuses_it() {
    for (status, body, refused) in [
        (400, json!({ "error": "invalid_grant" }), true),
        (500, json!({ "error": "invalid_grant" }), true),
        (400, json!({ "error": "invalid_request", "error_description": "expired" }), true),
        (403, json!({ "error": "access_denied" }), true),
        (401, json!({ "error": "interaction_required" }), true),
        (400, json!({ "error": "temporarily_unavailable" }), false),
        (400, json!({ "error": "server_error" }), false),
        // From a framework, a gateway and a rate limiter.
        (500, json!({ "error": "Internal Server Error" }), false),
        (404, json!({ "error": "Not Found" }), false),
        (429, json!({ "error": "too_many_requests" }), false),
        (400, json!("no object"), false),
    ] {
        let answer = Response::json(status, &body);
        let (_, answer) = scripted(|script| script.instead_of_token = Some(answer)).await;
        let expected = match refused {
            true => matches!(answer, Err(RefreshError::Refused(_))),
            false => matches!(answer, Err(RefreshError::ProviderFault(_))),
        };
        assert!(expected, "{status} {body}: {answer:?}");
    }
}
