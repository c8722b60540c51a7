//! Permissions from the claims of the ID token, userinfo and the access token.

use std::collections::BTreeMap;

use portico_adapters::identity::oidc::{OidcSettings, UserinfoPolicy};
use portico_domain::{
    model::{ClaimPath, Identity, Permission, PermissionRules, RefreshToken, SessionChange},
    ports::IdentityProvider,
};
use portico_tests::stub_server::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    refresh::session_of,
    script::{Script, Scripted, signing_key},
    settings,
};

fn reading(scripted: &Scripted, claims: &[&str]) -> OidcSettings {
    let claims = claims.iter().filter_map(|path| ClaimPath::parse(path)).collect();
    let permissions = PermissionRules { claims, ..PermissionRules::default() };
    OidcSettings { permissions, ..settings(&scripted.issuer()) }
}

fn names(identity: &Identity) -> Vec<&str> {
    let grants = identity.permissions.grants().iter();
    grants.flat_map(|grant| &grant.permissions).map(Permission::as_str).collect()
}

async fn permissions_at_log_in(script: Script, claims: &[&str]) -> (Vec<String>, usize) {
    let scripted = script.start().await;
    let oidc = scripted.provider_with(reading(&scripted, claims));
    let identity = scripted.redeem(&oidc).await.unwrap();
    let names = names(&identity).into_iter().map(str::to_owned).collect();
    (names, scripted.requested("/userinfo").len())
}

/// ID token claims with everything that the scopes promise.
fn complete(claims: Value) -> Value {
    let mut all = json!({ "name": "Ann", "email": "ann@example.com" });
    all.as_object_mut().unwrap().extend(claims.as_object().cloned().unwrap());
    all
}

#[tokio::test]
async fn reads_access_token_with_valid_signature_only() {
    let roles = json!({ "realm_access": { "roles": ["admin"] } });
    let with = |name: &str, value: Value| {
        let mut claims = roles.clone();
        claims[name] = value;
        claims
    };
    for (row, claims, ours, expected) in [
        ("of the provider", roles.clone(), true, vec!["admin"]),
        ("signed by another key", roles.clone(), false, vec![]),
        ("of another issuer", with("iss", json!("https://other.example")), true, vec![]),
        ("expired", with("exp", json!(1_000)), true, vec![]),
        ("without the claim", json!({}), true, vec![]),
    ] {
        let mut script = Script { claims: complete(json!({})), ..Script::default() };
        script.access_token = Some((claims, (!ours).then(|| signing_key("ES256", Some("one")))));
        let (found, _) = permissions_at_log_in(script, &["realm_access.roles"]).await;
        assert_eq!(found, expected, "{row}");
    }
}

#[tokio::test]
async fn requests_userinfo_for_claims_missing_elsewhere() {
    let userinfo = || Response::json(200, json!({ "sub": "ann", "groups": ["staff"] }));
    let script =
        |claims| Script { claims: complete(claims), userinfo: userinfo(), ..Script::default() };
    let found = permissions_at_log_in(script(json!({})), &["groups"]).await;
    assert_eq!(found, (vec!["staff".into()], 1));
    let found = permissions_at_log_in(script(json!({ "groups": ["a"] })), &["groups"]).await;
    assert_eq!(found, (vec!["a".into()], 0));
    let found = permissions_at_log_in(script(json!({})), &["permissions"]).await;
    assert_eq!(found, (vec![], 0), "the default claim is worth no request");
}

#[tokio::test]
async fn refresh_removes_permission() {
    let start = |claims: Value, userinfo: Value| async move {
        let userinfo = Response::json(200, changed(json!({ "sub": "ann" }), userinfo));
        Script { claims: complete(claims), userinfo, ..Script::default() }.start().await
    };
    let log_in = json!({ "groups": ["staff", "admins"] });
    for (row, at_log_in, later, expected) in [
        (
            "ID token",
            [log_in.clone(), json!({})],
            [json!({ "groups": ["staff"] }), json!({})],
            vec!["staff"],
        ),
        ("left out", [log_in.clone(), json!({})], [json!({}), json!({})], vec![]),
        (
            "userinfo",
            [json!({}), log_in.clone()],
            [json!({}), json!({ "groups": ["staff"] })],
            vec!["staff"],
        ),
    ] {
        let [claims, userinfo] = at_log_in;
        let scripted = start(claims, userinfo).await;
        let oidc = scripted.provider_with(reading(&scripted, &["groups"]));
        let mut session = session_of(scripted.redeem(&oidc).await.unwrap());
        assert_eq!(names(&session.identity), ["staff", "admins"], "{row}");
        session.identity.tokens.refresh_token = Some(RefreshToken::new("refresh-token"));

        // The same user at a provider with other claims.
        let [claims, userinfo] = later;
        let later = start(claims, userinfo).await;
        session.identity.subject.issuer = later.issuer();
        let oidc = later.provider_with(reading(&later, &["groups"]));
        let refreshed = oidc.refresh(&session).await.unwrap();
        let session = session.with(SessionChange::Refreshed(refreshed));
        assert_eq!(names(&session.identity), expected, "{row}");
    }
}

fn changed(mut value: Value, with: Value) -> Value {
    let more = with.as_object().cloned().unwrap_or_default();
    value.as_object_mut().unwrap().extend(more);
    value
}

#[tokio::test]
async fn failed_userinfo_removes_no_permission() {
    let userinfo = Response::json(200, json!({ "sub": "ann", "groups": ["staff"] }));
    let script = Script { claims: complete(json!({})), userinfo, ..Script::default() };
    let scripted = script.start().await;
    let oidc = scripted.provider_with(reading(&scripted, &["groups"]));
    let mut session = session_of(scripted.redeem(&oidc).await.unwrap());
    session.identity.tokens.refresh_token = Some(RefreshToken::new("refresh-token"));
    for (policy, userinfo) in [
        (UserinfoPolicy::Auto, Response::html(500, "broken")),
        (UserinfoPolicy::Never, Response::html(500, "not asked")),
    ] {
        let script = Script { claims: complete(json!({})), userinfo, ..Script::default() };
        let later = script.start().await;
        session.identity.subject.issuer = later.issuer();
        let settings = OidcSettings { userinfo: policy, ..reading(&later, &["groups"]) };
        let refreshed = later.provider_with(settings).refresh(&session).await.unwrap();
        assert_eq!(refreshed.permissions, Some(session.identity.permissions.clone()));
    }
}

/// What a provider states of a user: an entry of `claim_shapes.json`. The members and their nesting are
/// those of the provider's documentation, the values are invented.
#[derive(Deserialize)]
struct Shape {
    name: String,
    settings: Vec<String>,
    #[serde(default)]
    mapping: BTreeMap<String, Vec<String>>,
    id_token: Value,
    #[serde(default)]
    userinfo: Value,
    /// `null` for an opaque one.
    #[serde(default)]
    access_token: Value,
    granted: Vec<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    only_referred: Vec<String>,
}

#[tokio::test]
async fn reads_the_claims_of_each_provider() {
    let shapes: Vec<Shape> = serde_json::from_str(include_str!("claim_shapes.json")).unwrap();
    for shape in shapes {
        let userinfo = changed(json!({ "sub": "ann" }), shape.userinfo);
        let script = Script {
            claims: shape.id_token,
            userinfo: Response::json(200, userinfo),
            access_token: (!shape.access_token.is_null()).then_some((shape.access_token, None)),
            ..Script::default()
        };
        let scripted = script.start().await;
        let claims: Vec<_> = shape.settings.iter().map(String::as_str).collect();
        let mut settings = reading(&scripted, &claims);
        let permissions = |names: Vec<String>| names.into_iter().map(Permission::new).collect();
        let mapping = shape.mapping.into_iter().map(|(value, names)| (value, permissions(names)));
        settings.permissions.mapping = mapping.collect();
        let identity = scripted.redeem(&scripted.provider_with(settings)).await.unwrap();
        assert_eq!(names(&identity), shape.granted, "{}", shape.name);
        let found = identity.permissions;
        let sources = found.grants().iter().map(|grant| grant.source.to_string());
        assert_eq!(sources.collect::<Vec<_>>(), Vec::from_iter(shape.source), "{}", shape.name);
        assert_eq!(found.only_referred(), shape.only_referred, "{}", shape.name);
    }
}
