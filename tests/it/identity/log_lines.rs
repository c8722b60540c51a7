//! What the log says about the provider's answers: its own words, within limits, and warnings once.

use portico_adapters::identity::oidc::{OidcProvider, OidcSettings, UserinfoPolicy, Vendor};
use portico_domain::{
    model::Screen,
    ports::{
        IdentityProvider, ProviderUnavailable,
        RedeemError::{CodeRejected, Misconfigured, ProviderFault},
    },
};
use portico_tests::{
    log_capture::LogCapture,
    stub_server::{Request, Response},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    attempt,
    script::{ACCESS_TOKEN, ATTEMPT, CODE, Script, Scripted},
    settings,
};

/// The error of the token endpoint with this answer.
async fn token_error(answer: Response) -> String {
    let script = Script { instead_of_token: Some(answer), ..Script::default() };
    let scripted = script.start().await;
    match scripted.redeem(&scripted.provider()).await {
        Err(ProviderFault(text) | Misconfigured(text) | CodeRejected(text)) => text,
        other => panic!("{:?}", other.map(|identity| identity.subject)),
    }
}

fn pushing(scripted: &Scripted) -> OidcProvider {
    let settings = OidcSettings { pushed_requests: true, ..settings(&scripted.issuer()) };
    scripted.provider_with(settings)
}

/// The error of a pushed request with this answer.
async fn push_error(answer: Response) -> ProviderUnavailable {
    let scripted = Script { names_par: true, pushed: answer, ..Script::default() }.start().await;
    pushing(&scripted).authorization_url(&attempt(ATTEMPT), Screen::LogIn).await.unwrap_err()
}

#[tokio::test]
async fn description_has_up_to_400_characters_without_control_characters() {
    let description = format!("\u{1b}[31m{}\r\nend", "ä".repeat(394));
    let body = json!({ "error": "invalid_request_uri", "error_description": description });
    for text in [
        token_error(Response::json(400, &body)).await,
        push_error(Response::json(400, &body)).await.to_string(),
    ] {
        let quoted = format!("`invalid_request_uri ([31m{}en)`", "ä".repeat(394));
        assert!(text.contains(&quoted), "{text}");
        assert!(!text.chars().any(char::is_control), "{text}");
    }
}

/// A description that is cut within the code would leave a part of it.
#[tokio::test]
async fn cut_description_holds_no_part_of_code() {
    let description = format!("{}{CODE}", "x".repeat(390));
    let text = token_error(Response::json(
        400,
        json!({ "error": "invalid_grant", "error_description": description }),
    ))
    .await;
    assert!(text.contains("xxx…"), "{text}");
    assert!(!text.contains(&CODE[..6]), "{text}");
}

#[tokio::test]
async fn unusable_answer_is_logged_with_status_and_media_type() {
    for (status, media_type) in [(200, "text/html"), (200, "application/json"), (503, "text/html")]
    {
        let text = token_error(Response::of(status, media_type, "<title>Down")).await;
        for words in [format!("status {status}"), format!("media type `{media_type}`")] {
            assert!(text.contains(&words), "{words}: {text}");
        }
        assert!(!text.contains("Down"), "{text}");
    }
    for (status, media_type) in [(201, "text/html"), (200, "application/json"), (502, "text/html")]
    {
        let error = push_error(Response::of(status, media_type, "<title>Down")).await;
        let text = error.to_string();
        for words in [format!("status {status}"), format!("media type `{media_type}`")] {
            assert!(text.contains(&words), "{words}: {text}");
        }
        assert!(matches!(error, ProviderUnavailable::Outage(_)), "{error:?}");
    }
}

#[tokio::test]
async fn accepts_byte_order_mark_before_json() {
    let with_mark = |body: Value| format!("\u{feff}{body}");
    let error = json!({ "error": "invalid_grant", "error_description": "too late" });
    let text = token_error(Response::json(400, with_mark(error))).await;
    assert!(text.contains("invalid_grant (too late)"), "{text}");

    let pushed = with_mark(json!({ "request_uri": "urn:pushed:1", "expires_in": 60 }));
    let pushed = Response::json(201, pushed);
    let scripted = Script { names_par: true, pushed, ..Script::default() }.start().await;
    let url = pushing(&scripted).authorization_url(&attempt(ATTEMPT), Screen::LogIn).await;
    assert!(url.as_ref().is_ok_and(|url| url.contains("urn%3Apushed%3A1")), "{url:?}");

    // The tokens are there, and no ID token among them.
    let tokens = json!({ "access_token": "a", "token_type": "Bearer" });
    let text = token_error(Response::json(200, with_mark(tokens))).await;
    assert!(text.contains("no ID token"), "{text}");
}

#[tokio::test]
async fn error_with_status_200_is_quoted() {
    let error = json!({ "error": "bad_code", "error_description": "The code is wrong." });
    let text = token_error(Response::json(200, error)).await;
    assert!(text.contains("bad_code (The code is wrong.)"), "{text}");
}

#[rstest]
#[case::challenge(
    Response::html(401, "no").with("WWW-Authenticate", format!("Bearer error=\"invalid_token\", error_description=\"{ACCESS_TOKEN} is for another API\"")),
    &["status 401", "media type `text/html", "WWW-Authenticate", "… is for another API"]
)]
#[case::oauth_error(
    Response::json(403, json!({ "error": "insufficient_scope", "error_description": "needs\u{7} openid" })),
    &["status 403", "`insufficient_scope (needs openid)`"]
)]
#[case::page(Response::html(200, "<p>hello"), &["media type `text/html"])]
#[case::broken_json(Response::json(200, "{"), &["no JSON", "status 200", "`application/json`"])]
#[case::encrypted(Response::of(200, "application/jwt", "a.b.c.d.e"), &["encrypted (JWE)"])]
#[tokio::test]
async fn failed_userinfo_is_one_warning_with_its_cause(
    #[case] userinfo: Response,
    #[case] words: &[&str],
) {
    let log = LogCapture::start();
    let scripted = Script { userinfo, ..Script::default() }.start().await;
    let settings =
        OidcSettings { userinfo: UserinfoPolicy::Always, ..settings(&scripted.issuer()) };
    scripted.redeem(&scripted.provider_with(settings)).await.unwrap();
    let line = log.line_with("failed to read userinfo");
    assert!(line.starts_with("WARN "), "{line}");
    for word in words {
        assert!(line.contains(word), "{word}: {line}");
    }
    assert!(!line.contains(ACCESS_TOKEN) && !line.chars().any(char::is_control), "{line}");
}

#[tokio::test]
async fn malformed_optional_metadata_are_warned_about_once() {
    let log = LogCapture::start();
    let metadata = json!({ "end_session_endpoint": "", "revocation_endpoint": "/revoke" });
    let scripted = Script { metadata, ..Script::default() }.start().await;
    let oidc = scripted.provider();
    for _ in 0..3 {
        oidc.check().await.unwrap();
    }
    assert!(log.line_with("end_session_endpoint").starts_with("WARN "), "{:?}", log.lines());
    log.line_with("revocation_endpoint");
    assert_eq!(log.lines().len(), 2, "{:?}", log.lines());
}

#[tokio::test]
async fn other_client_auth_method_is_warned_about_once() {
    let log = LogCapture::start();
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    let scripted = Script {
        metadata: json!({ "token_endpoint_auth_methods_supported": methods }),
        refuse_client: Some(Box::new(|request: &Request| {
            let refusal = Response::json(401, json!({ "error": "invalid_client" }));
            request.header("authorization").map(|_| refusal)
        })),
        ..Script::default()
    }
    .start()
    .await;
    let oidc = scripted.provider();
    for _ in 0..3 {
        scripted.redeem(&oidc).await.unwrap();
    }
    log.line_with("OIDC_CLIENT_AUTH_METHOD=client_secret_post");
}

#[tokio::test]
async fn misconfiguration_names_the_settings_of_the_family_in_use() {
    let client = "check OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and OIDC_CLIENT_AUTH_METHOD";
    let auth0 = "check AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET and OIDC_CLIENT_AUTH_METHOD";
    for (vendor, error, expected) in [
        (Vendor::Any, "invalid_client", client),
        (Vendor::Any, "unauthorized_client", client),
        (Vendor::Any, "invalid_scope", "check OIDC_SCOPES"),
        (Vendor::Auth0, "invalid_client", auth0),
        (Vendor::Auth0, "invalid_scope", "check OIDC_SCOPES"),
    ] {
        let answer = Response::json(401, json!({ "error": error }));
        let pushed = answer.clone();
        let instead_of_token = Some(answer);
        let script = Script { names_par: true, instead_of_token, pushed, ..Script::default() };
        let scripted = script.start().await;
        let mut settings = settings(&scripted.issuer());
        settings.registration.vendor = vendor;
        let oidc = scripted.provider_with(settings.clone());
        let redeemed = scripted.redeem(&oidc).await.map(|identity| identity.subject);
        assert!(
            matches!(&redeemed, Err(Misconfigured(text)) if text.ends_with(expected)),
            "{redeemed:?}"
        );
        let pushing = OidcSettings { pushed_requests: true, ..settings };
        let oidc = scripted.provider_with(pushing);
        let url = oidc.authorization_url(&attempt(ATTEMPT), Screen::LogIn).await;
        assert!(
            matches!(&url, Err(ProviderUnavailable::Misconfigured(text)) if text.ends_with(expected)),
            "{url:?}"
        );
        assert!(oidc.settings_behind(error).is_some_and(|settings| expected.ends_with(settings)));
    }
    let mut auth0 = settings("http://127.0.0.1:1");
    auth0.registration.vendor = Vendor::Auth0;
    let script =
        Script { metadata: json!({ "issuer": "https://other.example" }), ..Script::default() };
    let scripted = script.start().await;
    auth0.registration.issuer = scripted.issuer();
    let refused = scripted.provider_with(auth0).check().await.unwrap_err();
    assert!(refused.to_string().ends_with("check AUTH0_DOMAIN"), "{refused}");
}
