use rocket::{
    Route, State, get,
    http::{Header, Status},
    response::Responder,
    routes,
    serde::json::Json,
};
use serde_json::{Value, json};

use crate::ports::Ports;

pub(super) fn routes() -> Vec<Route> {
    routes![live, ready]
}

#[derive(Responder)]
struct Health {
    body: (Status, Json<Value>),
    cache: Header<'static>,
}

impl Health {
    fn new(status: Status, body: Value) -> Self {
        Self { body: (status, Json(body)), cache: Header::new("Cache-Control", "no-store") }
    }
}

/// The process answers: restart it when it does not.
#[get("/health/live")]
fn live() -> Health {
    Health::new(Status::Ok, json!({ "status": "live" }))
}

/// Whether the process can serve visitors, for load balancers. The provider and the API are not
/// asked: without them the site still has pages to show, and every instance would go at once.
#[get("/health/ready")]
async fn ready(ports: &State<Ports>) -> Health {
    let (database, sessions) = tokio::join!(ports.users.check(), ports.registry.check());
    let mut failing = Vec::new();
    if let Err(cause) = database {
        log::error!("not ready: {cause}");
        failing.push("database");
    }
    if let Err(cause) = sessions {
        log::error!("not ready: {cause}");
        failing.push("sessions");
    }
    if failing.is_empty() {
        Health::new(Status::Ok, json!({ "status": "ready" }))
    } else {
        let body = json!({ "status": "unavailable", "failing": failing });
        Health::new(Status::ServiceUnavailable, body)
    }
}
