use crate::client::{Callback, Client, settings};
use portico_development::{DevelopmentServers, DevelopmentSettings, StartError};

#[tokio::test]
async fn port_in_use_fails_or_takes_next_free_port() {
    let first = DevelopmentServers::start(settings()).await.unwrap();
    let port = first.provider_port();
    let in_use = DevelopmentSettings { provider_port: port, ..settings() };
    let error = DevelopmentServers::start(in_use.clone()).await.err().unwrap();
    assert_eq!(error, StartError::PortTaken(port));
    assert!(error.to_string().contains(&port.to_string()));

    let second =
        DevelopmentServers::start(DevelopmentSettings { next_free: true, ..in_use }).await.unwrap();
    assert!(second.provider_port() > port);
    assert_eq!(second.issuer(), format!("http://127.0.0.1:{}", second.provider_port()));
    assert_eq!(Client::of(&second).get("/").await.status, 200);
}

#[tokio::test]
async fn restarted_provider_keeps_its_state() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let tokens = client.tokens("user@example.com", &[]).await;
    let keys = client.get("/jwks").await.body;
    let port = servers.provider_port();
    servers.stop_provider().await;
    servers.stop_provider().await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());

    servers.start_provider().await.unwrap();
    servers.start_provider().await.unwrap();
    assert_eq!(client.get("/jwks").await.body, keys);
    assert_eq!(client.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 200);
    assert!(client.authorize(&[]).await.callback().contains_key("code"), "the session continues");

    servers.stop_api().await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", servers.api_port())).await.is_err());
    servers.start_api().await.unwrap();
    assert_eq!(client.message("public", None).await.status, 200);
    servers.stop().await;
}

#[tokio::test]
async fn start_fails_without_templates() {
    let empty = tempfile::tempdir().unwrap();
    let template_dir = empty.path().join("nowhere");
    let error = DevelopmentServers::start(DevelopmentSettings { template_dir, ..settings() })
        .await
        .err()
        .unwrap();
    assert!(matches!(error, StartError::Failed(_)), "{error}");
}

#[tokio::test]
async fn counts_requests_to_endpoints() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    client.tokens("user@example.com", &[]).await;
    assert_eq!(
        (
            servers.request_count("login"),
            servers.request_count("token"),
            servers.request_count("userinfo")
        ),
        (1, 1, 0)
    );
    assert_eq!(servers.request_count("no such endpoint"), 0);
}

#[tokio::test]
async fn home_page_lists_accounts_and_unknown_pages_are_404() {
    let servers = DevelopmentServers::start(settings()).await.unwrap();
    let client = Client::of(&servers);
    let page = client.get("/").await.body;
    assert!(page.contains("user@example.com") && page.contains("admin@example.com"));
    assert!(page.contains("http://127.0.0.1:4040/") || page.contains("http:&#x2f;&#x2f;"));
    assert_eq!(
        &client.get("/development.css").await.headers["Content-Type"],
        "text/css; charset=utf-8"
    );
    for path in ["/nowhere", "/picture/%3Cb%3E.svg", "/picture/ABC.svg", "/picture/A.png"] {
        let page = client.get(path).await;
        assert_eq!(page.status.as_u16(), 404, "{path}");
        assert!(page.body.contains("Development provider"));
    }
}
