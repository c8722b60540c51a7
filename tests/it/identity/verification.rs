//! Verification of tokens and userinfo of scripted providers.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use chrono::Duration;
use portico_adapters::system::SystemClock;
use portico_domain::ports::{
    Clock,
    RedeemError::{self, InvalidIdentity, ProviderFault, WrongNonce},
};
use portico_tests::stub_server::Response;
use serde_json::{Value, json};

use super::{
    CLIENT_ID, assert_refused,
    script::{ACCESS_TOKEN, Script, Signed, signing_key},
};

type Change = fn(&mut Script);

/// The time in this many seconds, in seconds since the epoch.
fn in_seconds(seconds: i64) -> i64 {
    (SystemClock.now() + Duration::seconds(seconds)).timestamp()
}

fn sign_with(script: &mut Script, algorithm: &'static str) {
    script.sign_with(signing_key(algorithm, Some("two")));
    script.claims = json!({ "at_hash": script.signer.access_token_hash(ACCESS_TOKEN) });
}

fn signed_userinfo(script: &mut Script, claims: Value) {
    script.signed_userinfo = Some(Signed { claims, ..Signed::default() });
}

#[tokio::test]
async fn accepts_unusual_but_valid_responses() {
    let rows: &[(&str, Change)] = &[
        ("unchanged", |_| {}),
        ("RS256 with at_hash", |script| sign_with(script, "RS256")),
        ("RS384 with at_hash", |script| sign_with(script, "RS384")),
        ("RS512 with at_hash", |script| sign_with(script, "RS512")),
        ("PS256 with at_hash", |script| sign_with(script, "PS256")),
        ("PS384 with at_hash", |script| sign_with(script, "PS384")),
        ("PS512 with at_hash", |script| sign_with(script, "PS512")),
        ("ES256 with at_hash", |script| sign_with(script, "ES256")),
        ("ES384 with at_hash", |script| sign_with(script, "ES384")),
        ("ES512 with at_hash", |script| sign_with(script, "ES512")),
        ("EdDSA with at_hash", |script| sign_with(script, "EdDSA")),
        ("one audience, in an array", |script| script.claims = json!({ "aud": [CLIENT_ID] })),
        ("a second audience with azp", |script| {
            script.claims = json!({ "aud": [CLIENT_ID, "api"], "azp": CLIENT_ID });
        }),
        ("no kid in the token, several keys with one", |script| {
            script.keys.insert(0, signing_key("ES256", Some("zero")).public_jwk());
            script.header = json!({ "kid": null });
        }),
        ("no kid anywhere, several keys", |script| {
            let key = signing_key("ES256", None);
            script.keys = vec![
                signing_key("ES256", None).public_jwk(),
                signing_key("ES384", None).public_jwk(),
                key.public_jwk(),
                signing_key("EdDSA", None).public_jwk(),
            ];
            script.signer = key;
        }),
        ("the right key under another kid", |script| script.header = json!({ "kid": "two" })),
        ("another key under the kid of the token", |script| {
            script.keys.insert(0, signing_key("ES256", Some("old")).public_jwk());
            script.header = json!({ "kid": "old" });
        }),
        ("keys of unknown types", |script| {
            script.keys.insert(0, json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }));
            script.keys.insert(1, json!("not even a key"));
        }),
        ("clocks that differ by half a minute: expired", |script| {
            script.claims = json!({ "exp": in_seconds(-30) });
        }),
        ("clocks that differ by half a minute: issued in the future", |script| {
            script.claims = json!({ "iat": in_seconds(30) });
        }),
        ("metadata with few fields and malformed values", |script| {
            script.metadata = json!({
                "response_types_supported": "code",
                "subject_types_supported": null,
                "token_endpoint_auth_methods_supported": ["attest_jwt_client_auth", 7],
                "prompt_values_supported": {},
                "end_session_endpoint": "",
                "revocation_endpoint": "/revoke",
                "pushed_authorization_request_endpoint": "file:///etc/passwd",
            });
        }),
        ("token_type in another case", |script| {
            script.token = json!({ "token_type": "bEARER", "not_before_policy": 0 });
        }),
        ("expires_in that is no number", |script| {
            script.token = json!({ "expires_in": "soon" });
        }),
        ("expires_in beyond the range of dates", |script| {
            script.token = json!({ "expires_in": u64::MAX });
        }),
        ("tokens under another media type", |script| {
            script.token_media_type = "text/plain";
        }),
        ("claims in the formats of Auth0 and others", |script| {
            script.claims = json!({
                "updated_at": "2026-11-23T10:00:00.000Z",
                "email_verified": "true",
                "https://site.example/roles": ["a"],
            });
        }),
        ("signed userinfo", |script| {
            script.signed_userinfo = Some(Signed::default());
        }),
        ("userinfo signed with another key and algorithm", |script| {
            let key = signing_key("ES512", Some("of userinfo"));
            script.keys.push(key.public_jwk());
            script.metadata = json!({ "userinfo_signing_alg_values_supported": ["ES512"] });
            let header = json!({ "typ": "JWT" });
            script.signed_userinfo = Some(Signed { key: Some(key), header, ..Signed::default() });
        }),
        ("signed userinfo without iss and aud", |script| {
            let claims = json!({ "iss": null, "aud": null });
            script.signed_userinfo = Some(Signed { claims, ..Signed::default() });
        }),
        ("signed userinfo with several audiences", |script| {
            let claims = json!({ "aud": ["other", CLIENT_ID], "exp": in_seconds(60) });
            script.signed_userinfo = Some(Signed { claims, ..Signed::default() });
        }),
        ("userinfo with the media type of a page", |script| {
            script.userinfo = Response::of(200, "TEXT/HTML", r#"{"sub":"ann"}"#);
        }),
        ("userinfo that refuses the access token", |script| {
            script.userinfo = Response::json(403, json!({ "error": "insufficient_scope" }));
        }),
        ("userinfo that fails", |script| script.userinfo = Response::html(500, "broken")),
        ("userinfo without sub", |script| {
            script.userinfo = Response::json(200, json!({ "name": "Ann" }));
        }),
        ("encrypted userinfo", |script| {
            script.userinfo = Response::of(200, "application/jwt", "a.b.c.d.e");
        }),
        ("no userinfo endpoint", |script| {
            script.metadata = json!({ "userinfo_endpoint": null });
            script.userinfo = Response::json(500, "{}");
        }),
    ];
    for (row, change) in rows {
        let mut script = Script::default();
        change(&mut script);
        let scripted = script.start().await;
        let outcome = scripted.redeem(&scripted.provider()).await;
        let identity = outcome.unwrap_or_else(|error| panic!("{row}: {error}"));
        assert_eq!(identity.subject, portico_domain::model::Subject::new(scripted.issuer(), "ann"));
        assert_eq!(scripted.requested("/jwks").len(), 1, "{row}");
    }
}

/// The name of the case, the change, the expected error, and the number of requests to the key set
/// and to userinfo.
type Row = (&'static str, Change, RedeemError, [usize; 2]);

#[tokio::test]
async fn reports_reason_for_each_invalid_response() {
    let invalid = |why: &str| InvalidIdentity(why.into());
    let provider_fault = |why: &str| ProviderFault(why.into());
    let rows: [Row; 31] = [
        (
            "a critical header parameter",
            |script| script.header = json!({ "crit": ["exp"], "exp": 1 }),
            invalid("critical"),
            [1, 0],
        ),
        (
            "an access token instead of an ID token",
            |script| script.header = json!({ "typ": "at+jwt" }),
            invalid("at+jwt"),
            [1, 0],
        ),
        (
            "a second audience without azp",
            |script| script.claims = json!({ "aud": [CLIENT_ID, "other"] }),
            invalid("several audiences"),
            [1, 0],
        ),
        (
            "a second audience, and it is azp",
            |script| script.claims = json!({ "aud": [CLIENT_ID, "other"], "azp": "other" }),
            invalid("another party"),
            [1, 0],
        ),
        ("no audience", |script| script.claims = json!({ "aud": [] }), invalid("audience"), [1, 0]),
        (
            "expired by more than the leeway",
            |script| script.claims = json!({ "exp": in_seconds(-90) }),
            invalid("expired"),
            [1, 0],
        ),
        (
            "issued in the future by more than the leeway",
            |script| script.claims = json!({ "iat": in_seconds(90) }),
            invalid("future"),
            [1, 0],
        ),
        ("no nonce", |script| script.claims = json!({ "nonce": null }), WrongNonce, [1, 0]),
        (
            "no exp",
            |script| script.claims = json!({ "exp": null }),
            invalid("it has no exp"),
            [1, 0],
        ),
        (
            "no subject",
            |script| script.claims = json!({ "sub": null }),
            invalid("it has no sub"),
            [1, 0],
        ),
        (
            "an algorithm that the provider does not list",
            |script| {
                let listed = json!(["RS256"]);
                script.metadata = json!({ "id_token_signing_alg_values_supported": listed });
            },
            invalid("signed with ES256"),
            [1, 0],
        ),
        (
            "the algorithm of another kind of key",
            |script| {
                script.header = json!({ "alg": "EdDSA" });
                script.metadata = json!({ "id_token_signing_alg_values_supported": ["EdDSA"] });
            },
            invalid("no key"),
            [2, 0],
        ),
        (
            "a key that the provider does not publish",
            |script| script.signer = signing_key("ES256", Some("one")),
            invalid("no key"),
            [2, 0],
        ),
        (
            "RS256 is listed, the token uses another",
            |script| {
                let listed = json!(["RS256", "ES256"]);
                script.metadata = json!({ "id_token_signing_alg_values_supported": listed });
            },
            invalid("signed with ES256, expected RS256"),
            [1, 0],
        ),
        (
            "an encrypted ID token",
            |script| script.token = json!({ "id_token": "a.b.c.d.e" }),
            invalid("encrypted (JWE)"),
            [1, 0],
        ),
        (
            "an RSA key under 2048 bits",
            |script| {
                script.sign_with(signing_key("RS256", Some("two")));
                script.keys[0]["n"] = BASE64.encode([0xff; 128]).into();
            },
            invalid("no key"),
            [2, 0],
        ),
        (
            "a key for another use",
            |script| script.keys[0]["use"] = "enc".into(),
            invalid("no key"),
            [2, 0],
        ),
        (
            "the hash of another access token",
            |script| {
                sign_with(script, "EdDSA");
                script.token = json!({ "access_token": "another" });
            },
            invalid("at_hash"),
            [1, 0],
        ),
        (
            "an access token that is no bearer token",
            |script| script.token = json!({ "token_type": "DPoP" }),
            provider_fault("Bearer"),
            [1, 0],
        ),
        (
            "a text instead of an ID token",
            |script| script.token = json!({ "id_token": "a text" }),
            invalid("malformed"),
            [1, 0],
        ),
        (
            "a page instead of tokens",
            |script| script.instead_of_token = Some(Response::html(200, "<title>Down</title>")),
            provider_fault("token endpoint"),
            [1, 0],
        ),
        (
            "tokens with the media type of a page",
            |script| script.token_media_type = "text/html; charset=utf-8",
            provider_fault("token endpoint"),
            [1, 0],
        ),
        (
            "userinfo about another user",
            |script| script.userinfo = Response::json(200, json!({ "sub": "bob" })),
            invalid("another user"),
            [1, 1],
        ),
        (
            "signed userinfo about another user",
            |script| signed_userinfo(script, json!({ "sub": "bob" })),
            invalid("another user"),
            [1, 1],
        ),
        (
            "signed userinfo of another issuer",
            |script| signed_userinfo(script, json!({ "iss": "https://evil.example" })),
            invalid("signed userinfo: it has another issuer"),
            [1, 1],
        ),
        (
            "signed userinfo for another client",
            |script| signed_userinfo(script, json!({ "aud": ["other"] })),
            invalid("signed userinfo: this client is not in its audience"),
            [1, 1],
        ),
        (
            "expired signed userinfo",
            |script| signed_userinfo(script, json!({ "exp": in_seconds(-90) })),
            invalid("signed userinfo: it has expired"),
            [1, 1],
        ),
        (
            "userinfo signed by a key that the provider does not publish",
            |script| {
                let key = Some(signing_key("ES256", Some("one")));
                script.signed_userinfo = Some(Signed { key, ..Signed::default() });
            },
            invalid("signed userinfo: no key"),
            [2, 1],
        ),
        (
            "userinfo signed by an algorithm that is not listed for it",
            |script| {
                let listed = json!(["RS256", "none"]);
                script.metadata = json!({ "userinfo_signing_alg_values_supported": listed });
                signed_userinfo(script, json!({}));
            },
            invalid("signed userinfo: it is signed with ES256, expected RS256"),
            [1, 1],
        ),
        (
            "userinfo with the media type of a JWT and no signature",
            |script| script.userinfo = Response::of(200, "application/jwt", "e30.e30."),
            invalid("signed userinfo: its header"),
            [1, 1],
        ),
        (
            "a logout token instead of userinfo",
            |script| {
                let header = json!({ "typ": "logout+jwt" });
                script.signed_userinfo = Some(Signed { header, ..Signed::default() });
            },
            invalid("signed userinfo: it is of another type"),
            [1, 1],
        ),
    ];
    for (row, change, expected, requested) in rows {
        let mut script = Script::default();
        change(&mut script);
        let scripted = script.start().await;
        assert_refused(scripted.redeem(&scripted.provider()).await, &expected, row);
        assert_eq!(
            ["/jwks", "/userinfo"].map(|path| scripted.requested(path).len()),
            requested,
            "{row}"
        );
        assert_eq!(scripted.requested("/token").len(), 1, "{row}");
    }
}
