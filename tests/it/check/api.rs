use portico_tests::stub_server::{Request, Response, StubServer};
use serde_json::json;

use super::Setup;

async fn api(respond: impl Fn(&Request) -> Response + Send + Sync + 'static) -> StubServer {
    StubServer::start(respond).await
}

#[tokio::test]
async fn notices_api_that_protects_nothing() {
    let setup = Setup::new().await;
    let open = api(|_| Response::json(200, json!({ "text": "anyone" }))).await;
    let checked = setup.check(&[("API_SERVER_URL", open.url().as_str())]).await;
    checked.assert_failed("API", "protected", "readable without an access token");
    checked.assert_ok("API", "public");
}

#[tokio::test]
async fn notices_server_that_is_another_api() {
    let setup = Setup::new().await;
    let other = api(|_| Response::html(404, "nothing here")).await;
    let checked = setup.check(&[("API_SERVER_URL", other.url().as_str())]).await;
    checked.assert_failed("API", "public", "NotFound");
    checked.assert_failed("API", "protected", "expected 401");
}
