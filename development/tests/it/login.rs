use crate::client::{CALLBACK, Callback, Client, HOME, claims, encoded, settings};
use portico_development::DevelopmentServers;

#[tokio::test]
async fn log_in_form_redirects_back_with_code() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let page = client.authorize(&[("login_hint", "\"><b>")]).await;
    assert_eq!(page.status.as_u16(), 200);
    for expected in ["Email", "Password", "Log In", "Sign up", "Cancel", "Development provider"] {
        assert!(page.body.contains(expected), "{expected} in {}", page.body);
    }
    assert!(!page.body.contains("\"><b>"), "escaped");
    let policy = page.headers["Content-Security-Policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' http://127.0.0.1:4040;"), "{policy}");

    let back = client.log_in("user@example.com", &[]).await.callback();
    assert_eq!((back["state"].as_str(), back["iss"].as_str()), ("a state", servers.issuer()));
    assert!(back.contains_key("code"));
}

#[tokio::test]
async fn log_in_page_offers_accounts_with_well_known_password() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    for (password, email) in
        [("secret of mine", "mine@example.com"), ("portico", "ours@example.com")]
    {
        let filled = [("email", email), ("password", password)];
        client.fill_in("/signup", &[], &filled).await.callback();
    }
    let client = Client::of(&servers);
    let page = client.authorize(&[]).await.body;
    assert_eq!(page.matches(">Log In</button>").count(), 1, "{page}");
    assert_eq!(page.matches(r#"type="password""#).count(), 1, "{page}");
    for offered in ["user@example.com", "admin@example.com", "ours@example.com"] {
        assert!(page.contains(&format!(">Continue as {offered}</button>")), "{offered} in {page}");
    }
    assert!(!page.contains("mine@example.com"), "{page}");

    let page = client.fill_in("/login", &[], &[("email", "x@example.com")]).await;
    assert_eq!(page.status.as_u16(), 401);
    assert!(page.body.contains(">Continue as user@example.com</button>"), "{}", page.body);
    let page = client.authorize(&[("prompt", "create")]).await.body;
    assert!(!page.contains("Continue as"), "{page}");
}

#[tokio::test]
async fn authorization_request_cannot_fill_in_log_in_form() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let page = client.authorize(&[("email", "x@example.com"), ("name", "X")]).await.body;
    assert!(!page.contains("x@example.com"), "{page}");
}

#[tokio::test]
async fn session_spares_form_until_log_out() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let silent = client.authorize(&[("prompt", "none")]).await.callback();
    assert_eq!(silent["error"], "login_required");

    let tokens = client.tokens("user@example.com", &[]).await;
    assert!(client.authorize(&[]).await.callback().contains_key("code"));
    assert!(client.authorize(&[("prompt", "none")]).await.callback().contains_key("code"));
    assert_eq!(client.authorize(&[("prompt", "login")]).await.status, 200);
    assert_eq!(client.authorize(&[("max_age", "0")]).await.status, 200);

    let hint = tokens["id_token"].as_str().unwrap();
    let parameters = [("id_token_hint", hint), ("post_logout_redirect_uri", HOME), ("state", "s")];
    let out = client.get(&format!("/end-session?{}", encoded(&parameters))).await;
    assert_eq!(
        (out.status.as_u16(), out.headers["Location"].to_str().unwrap()),
        (303, "http://127.0.0.1:4040/?state=s")
    );
    assert_eq!(client.authorize(&[]).await.status, 200);
}

#[tokio::test]
async fn log_out_redirects_to_registered_uri_only() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    client.log_in("user@example.com", &[]).await;
    for parameters in [
        [("client_id", "portico"), ("post_logout_redirect_uri", "http://evil.example/")],
        [("client_id", "other"), ("post_logout_redirect_uri", HOME)],
        [("id_token_hint", "e30.e30.e30"), ("post_logout_redirect_uri", HOME)],
        [("state", "s"), ("post_logout_redirect_uri", HOME)],
    ] {
        assert_eq!(client.post("/end-session", &parameters).await.status, 400, "{parameters:?}");
    }
    assert_eq!(client.authorize(&[]).await.status, 303, "the session continues");
    assert_eq!(client.post("/end-session", &[]).await.status, 200);
    assert_eq!(client.authorize(&[]).await.status, 200);
}

#[tokio::test]
async fn shows_error_page_for_unknown_client_or_redirect_uri() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let longer = format!("{CALLBACK}/");
    for changed in [
        ("client_id", "other"),
        ("client_id", ""),
        ("redirect_uri", "http://evil.example/callback"),
        ("redirect_uri", &longer),
        ("redirect_uri", ""),
    ] {
        assert_eq!(client.authorize(&[changed]).await.status, 400, "{changed:?}");
        assert_eq!(client.log_in("user@example.com", &[changed]).await.status, 400);
    }
}

#[tokio::test]
async fn returns_other_errors_to_client() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    for (changed, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("scope", "profile"), "invalid_scope"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("prompt", "none login"), "invalid_request"),
        (("max_age", "soon"), "invalid_request"),
        (("audience", "https://other.example"), "invalid_target"),
        (("request", "e30"), "request_not_supported"),
    ] {
        let back = client.authorize(&[changed]).await.callback();
        assert_eq!(back["error"], error, "{changed:?}");
        assert_eq!((back["state"].as_str(), back["iss"].as_str()), ("a state", servers.issuer()));
    }
}

#[tokio::test]
async fn wrong_password_shows_form_again() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    for email in ["user@example.com", "nobody@example.com"] {
        let filled = [("email", email), ("password", "wrong-one")];
        let page = client.fill_in("/login", &[], &filled).await;
        assert_eq!(page.status.as_u16(), 401);
        assert!(page.body.contains("Wrong email or password."));
        assert!(page.body.contains(email) && !page.body.contains("wrong-one"));
    }
    assert_eq!(client.authorize(&[]).await.status, 200, "no session");
}

#[tokio::test]
async fn signs_up_each_email_once() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    for parameters in [("prompt", "create"), ("screen_hint", "signup")] {
        assert!(client.authorize(&[parameters]).await.body.contains("<h1>Sign Up</h1>"));
    }
    for (email, password, status, message) in [
        ("", "p", 422, "Enter an email address"),
        ("no-at-sign", "p", 422, "Enter an email address"),
        ("new@example.com", "", 422, "Choose a password"),
        ("User@Example.com", "p", 409, "already an account"),
    ] {
        let filled = [("email", email), ("password", password)];
        let page = client.fill_in("/signup", &[], &filled).await;
        assert_eq!(page.status.as_u16(), status, "{email}");
        assert!(page.body.contains(message), "{}", page.body);
    }
    let filled = [("email", "new@example.com"), ("password", "p"), ("name", "Nia New")];
    let back = client.fill_in("/signup", &[], &filled).await.callback();
    let tokens = client.redeem(&back["code"], &[]).await.json();
    let claims = claims(&tokens["id_token"]);
    assert_eq!((&claims["name"], &claims["email_verified"]), (&"Nia New".into(), &false.into()));
    assert!(claims["sub"].as_str().unwrap().starts_with("dev|"));
    let again = client.fill_in("/login", &[], &[filled[0], filled[1]]).await;
    assert!(again.callback().contains_key("code"));
}

#[tokio::test]
async fn cancel_returns_access_denied() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let page = client.authorize(&[]).await.body;
    let link = page.split("href=\"").find(|part| part.starts_with("/cancel?")).unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    let back = client.get(&link).await.callback();
    assert_eq!((back["error"].as_str(), back["state"].as_str()), ("access_denied", "a state"));
}

#[tokio::test]
async fn refuses_form_from_another_site() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    for header in [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example")] {
        assert_eq!(client.post_with("/login", &[], &[header]).await.status, 403);
        assert_eq!(client.post_with("/signup", &[], &[header]).await.status, 403);
    }
}

#[tokio::test]
async fn form_post_responds_with_form() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let page = client.log_in("user@example.com", &[("response_mode", "form_post")]).await;
    assert_eq!(page.status.as_u16(), 200);
    for expected in ["name=\"code\"", "name=\"state\"", "name=\"iss\"", "Continue"] {
        assert!(page.body.contains(expected), "{expected} in {}", page.body);
    }
}
