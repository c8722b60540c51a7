//! A messages API that asks the provider about each access token (RFC 7662).

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use reqwest::Client;
use rocket::{
    Data, Request, Route,
    http::{ContentType, Method, Status},
    route::{Handler, Outcome},
};
use serde_json::{Value, json};

/// The API. Its route is mounted on the site itself.
#[derive(Clone)]
pub(super) struct Api {
    http: Client,
    introspection: String,
    client: (String, String),
    /// Whether the introspection response permits reading the admin message.
    is_admin: fn(&Value) -> bool,
    tokens: Arc<Mutex<BTreeSet<String>>>,
}

impl Api {
    pub(super) fn new(
        introspection: String,
        client: (&str, &str),
        is_admin: fn(&Value) -> bool,
    ) -> Self {
        let tls = portico_adapters::tls::client_config(None).unwrap();
        let http = Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        let client = (client.0.to_owned(), client.1.to_owned());
        Self { http, introspection, client, is_admin, tokens: Arc::default() }
    }

    pub(super) fn routes(&self) -> Vec<Route> {
        vec![Route::new(Method::Get, "/api/messages/<topic>", self.clone())]
    }

    /// The access tokens that it received and that were active.
    pub(super) fn tokens(&self) -> BTreeSet<String> {
        self.tokens.lock().unwrap().clone()
    }

    async fn respond(&self, topic: &str, token: Option<&str>) -> (Status, Value) {
        if topic == "public" {
            return (Status::Ok, json!({ "text": "This is a public message." }));
        }
        let Some(token) = token else {
            return (Status::Unauthorized, json!({ "message": "Requires authentication" }));
        };
        let request = self.http.post(&self.introspection).form(&[("token", token)]);
        let request =
            request.basic_auth(form_encoded(&self.client.0), Some(form_encoded(&self.client.1)));
        let found: Value = request.send().await.unwrap().json().await.unwrap();
        if found["active"] != true {
            return (Status::Unauthorized, json!({ "message": "Bad credentials" }));
        }
        self.tokens.lock().unwrap().insert(token.to_owned());
        if topic == "admin" && !(self.is_admin)(&found) {
            return (Status::Forbidden, json!({ "message": "Permission denied" }));
        }
        let article = if topic == "admin" { "an" } else { "a" };
        (Status::Ok, json!({ "text": format!("This is {article} {topic} message.") }))
    }
}

/// RFC 6749, section 2.3.1.
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[rocket::async_trait]
impl Handler for Api {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> Outcome<'r> {
        let topic = request.param::<&str>(2).unwrap().unwrap();
        let header = request.headers().get_one("Authorization");
        let token = header.and_then(|header| header.strip_prefix("Bearer "));
        let (status, json) = self.respond(topic, token).await;
        Outcome::from(request, (status, (ContentType::JSON, json.to_string())))
    }
}
