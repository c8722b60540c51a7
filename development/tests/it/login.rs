use crate::browser::{BACK, Browser, HOME, claims, encoded, settings};
use portico_development::World;

#[tokio::test]
async fn a_stranger_sees_the_form_and_comes_back_with_a_code() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let page = browser.authorize(&[("login_hint", "\"><b>")]).await;
    assert_eq!(page.status, 200);
    for expected in ["Email", "Password", "Log In", "Sign up", "Cancel", "Development provider"] {
        assert!(page.text.contains(expected), "{expected} in {}", page.text);
    }
    assert!(!page.text.contains("\"><b>"), "escaped");
    let policy = page.headers["Content-Security-Policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' http://127.0.0.1:4040;"), "{policy}");

    let back = browser.log_in("user@example.com", &[]).await.back();
    assert_eq!((back["state"].as_str(), back["iss"].as_str()), ("a state", world.issuer()));
    assert!(back.contains_key("code"));
}

#[tokio::test]
async fn log_in_page_offers_accounts_with_well_known_password() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    for (password, email) in
        [("secret of mine", "mine@example.com"), ("portico", "ours@example.com")]
    {
        let filled = [("email", email), ("password", password)];
        browser.fill_in("/signup", &[], &filled).await.back();
    }
    let mut browser = Browser::of(&world);
    let page = browser.authorize(&[]).await.text;
    assert_eq!(page.matches(">Log In</button>").count(), 1, "{page}");
    assert_eq!(page.matches(r#"type="password""#).count(), 1, "{page}");
    for offered in ["user@example.com", "admin@example.com", "ours@example.com"] {
        assert!(page.contains(&format!(">Continue as {offered}</button>")), "{offered} in {page}");
    }
    assert!(!page.contains("mine@example.com"), "{page}");

    let page = browser.fill_in("/login", &[], &[("email", "x@example.com")]).await;
    assert_eq!(page.status, 401);
    assert!(page.text.contains(">Continue as user@example.com</button>"), "{}", page.text);
    let page = browser.authorize(&[("prompt", "create")]).await.text;
    assert!(!page.contains("Continue as"), "{page}");
}

#[tokio::test]
async fn authorization_request_cannot_fill_in_log_in_form() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let page = browser.authorize(&[("email", "x@example.com"), ("name", "X")]).await.text;
    assert!(!page.contains("x@example.com"), "{page}");
}

#[tokio::test]
async fn a_second_login_passes_straight_through_until_the_log_out() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let silent = browser.authorize(&[("prompt", "none")]).await.back();
    assert_eq!(silent["error"], "login_required");

    let tokens = browser.tokens("user@example.com", &[]).await;
    assert!(browser.authorize(&[]).await.back().contains_key("code"));
    assert!(browser.authorize(&[("prompt", "none")]).await.back().contains_key("code"));
    assert_eq!(browser.authorize(&[("prompt", "login")]).await.status, 200);
    assert_eq!(browser.authorize(&[("max_age", "0")]).await.status, 200);

    let hint = tokens["id_token"].as_str().unwrap();
    let asked = [("id_token_hint", hint), ("post_logout_redirect_uri", HOME), ("state", "s")];
    let out = browser.get(&format!("/end-session?{}", encoded(&asked))).await;
    assert_eq!(
        (out.status, out.headers["Location"].to_str().unwrap()),
        (303, "http://127.0.0.1:4040/?state=s")
    );
    assert_eq!(browser.authorize(&[]).await.status, 200);
}

#[tokio::test]
async fn a_log_out_leads_only_where_the_client_is_registered() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    browser.log_in("user@example.com", &[]).await;
    for asked in [
        [("client_id", "portico"), ("post_logout_redirect_uri", "http://evil.example/")],
        [("client_id", "other"), ("post_logout_redirect_uri", HOME)],
        [("id_token_hint", "e30.e30.e30"), ("post_logout_redirect_uri", HOME)],
        [("state", "nobody"), ("post_logout_redirect_uri", HOME)],
    ] {
        assert_eq!(browser.post("/end-session", &asked).await.status, 400, "{asked:?}");
    }
    assert_eq!(browser.authorize(&[]).await.status, 303, "nothing has ended");
    assert_eq!(browser.post("/end-session", &[]).await.status, 200);
    assert_eq!(browser.authorize(&[]).await.status, 200);
}

#[tokio::test]
async fn nothing_is_redirected_to_an_unknown_client_or_address() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let longer = format!("{BACK}/");
    for changed in [
        ("client_id", "other"),
        ("client_id", ""),
        ("redirect_uri", "http://evil.example/callback"),
        ("redirect_uri", &longer),
        ("redirect_uri", ""),
    ] {
        assert_eq!(browser.authorize(&[changed]).await.status, 400, "{changed:?}");
        assert_eq!(browser.log_in("user@example.com", &[changed]).await.status, 400);
    }
}

#[tokio::test]
async fn every_other_mistake_is_told_to_the_client() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
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
        let back = browser.authorize(&[changed]).await.back();
        assert_eq!(back["error"], error, "{changed:?}");
        assert_eq!((back["state"].as_str(), back["iss"].as_str()), ("a state", world.issuer()));
    }
}

#[tokio::test]
async fn a_wrong_password_keeps_the_form() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    for email in ["user@example.com", "nobody@example.com"] {
        let filled = [("email", email), ("password", "wrong-one")];
        let page = browser.fill_in("/login", &[], &filled).await;
        assert_eq!(page.status, 401);
        assert!(page.text.contains("Wrong email or password."));
        assert!(page.text.contains(email) && !page.text.contains("wrong-one"));
    }
    assert_eq!(browser.authorize(&[]).await.status, 200, "still a stranger");
}

#[tokio::test]
async fn a_newcomer_signs_up_once() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    for asked in [("prompt", "create"), ("screen_hint", "signup")] {
        assert!(browser.authorize(&[asked]).await.text.contains("<h1>Sign Up</h1>"));
    }
    for (email, password, status, message) in [
        ("", "p", 422, "Enter an email address"),
        ("no-at-sign", "p", 422, "Enter an email address"),
        ("new@example.com", "", 422, "Choose a password"),
        ("User@Example.com", "p", 409, "already an account"),
    ] {
        let filled = [("email", email), ("password", password)];
        let page = browser.fill_in("/signup", &[], &filled).await;
        assert_eq!(page.status, status, "{email}");
        assert!(page.text.contains(message), "{}", page.text);
    }
    let filled = [("email", "new@example.com"), ("password", "p"), ("name", "Nia New")];
    let back = browser.fill_in("/signup", &[], &filled).await.back();
    let tokens = browser.redeem(&back["code"], &[]).await.json();
    let claims = claims(&tokens["id_token"]);
    assert_eq!((&claims["name"], &claims["email_verified"]), (&"Nia New".into(), &false.into()));
    assert!(claims["sub"].as_str().unwrap().starts_with("dev|"));
    let again = browser.fill_in("/login", &[], &[filled[0], filled[1]]).await;
    assert!(again.back().contains_key("code"));
}

#[tokio::test]
async fn who_cancels_comes_back_with_access_denied() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let page = browser.authorize(&[]).await.text;
    let link = page.split("href=\"").find(|part| part.starts_with("/cancel?")).unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    let back = browser.get(&link).await.back();
    assert_eq!((back["error"].as_str(), back["state"].as_str()), ("access_denied", "a state"));
}

#[tokio::test]
async fn another_site_cannot_send_the_form() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    for header in [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example")] {
        assert_eq!(browser.post_with("/login", &[], &[header]).await.status, 403);
        assert_eq!(browser.post_with("/signup", &[], &[header]).await.status, 403);
    }
}

#[tokio::test]
async fn form_post_answers_with_a_form() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let page = browser.log_in("user@example.com", &[("response_mode", "form_post")]).await;
    assert_eq!(page.status, 200);
    for expected in ["name=\"code\"", "name=\"state\"", "name=\"iss\"", "Continue"] {
        assert!(page.text.contains(expected), "{expected} in {}", page.text);
    }
}
