use crate::browser::{Browser, settings};
use portico_development::{World, WorldError, WorldSettings};

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it_or_leads_to_the_next() {
    let first = World::start(settings()).await.unwrap();
    let port = first.provider_port();
    let taken = WorldSettings { provider_port: port, ..settings() };
    let error = World::start(taken.clone()).await.err().unwrap();
    assert_eq!(error, WorldError::PortTaken(port));
    assert!(error.to_string().contains(&port.to_string()));

    let second = World::start(WorldSettings { next_free: true, ..taken }).await.unwrap();
    assert!(second.provider_port() > port);
    assert_eq!(second.issuer(), format!("http://127.0.0.1:{}", second.provider_port()));
    assert_eq!(Browser::of(&second).get("/").await.status, 200);
}

#[tokio::test]
async fn a_stopped_provider_comes_back_as_it_was() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let tokens = browser.tokens("user@example.com", &[]).await;
    let keys = browser.get("/jwks").await.text;
    let port = world.provider_port();
    world.stop_provider().await;
    world.stop_provider().await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());

    world.start_provider().await.unwrap();
    world.start_provider().await.unwrap();
    assert_eq!(browser.get("/jwks").await.text, keys);
    assert_eq!(browser.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 200);
    assert!(browser.authorize(&[]).await.back().contains_key("code"), "still signed in");

    world.stop_api().await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", world.api_port())).await.is_err());
    world.start_api().await.unwrap();
    assert_eq!(browser.message("public", None).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn missing_pages_are_an_error_at_the_start() {
    let empty = tempfile::tempdir().unwrap();
    let template_dir = empty.path().join("nowhere");
    let error = World::start(WorldSettings { template_dir, ..settings() }).await.err().unwrap();
    assert!(matches!(error, WorldError::Start(_)), "{error}");
}

#[tokio::test]
async fn every_endpoint_counts_its_visits() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    browser.tokens("user@example.com", &[]).await;
    assert_eq!((world.hits("login"), world.hits("token"), world.hits("userinfo")), (1, 1, 0));
    assert_eq!(world.hits("no such endpoint"), 0);
}

#[tokio::test]
async fn the_front_page_names_the_accounts_and_unknown_pages_are_404() {
    let world = World::start(settings()).await.unwrap();
    let mut browser = Browser::of(&world);
    let page = browser.get("/").await.text;
    assert!(page.contains("user@example.com") && page.contains("admin@example.com"));
    assert!(page.contains("http://127.0.0.1:4040/") || page.contains("http:&#x2f;&#x2f;"));
    assert_eq!(
        &browser.get("/development.css").await.headers["Content-Type"],
        "text/css; charset=utf-8"
    );
    for path in ["/nowhere", "/picture/%3Cb%3E.svg", "/picture/ABC.svg", "/picture/A.png"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.text.contains("Development provider"));
    }
}
