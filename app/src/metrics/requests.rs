use std::time::Instant;

use rocket::{
    Data, Request, Response,
    fairing::{Fairing, Info, Kind},
};

use super::{Metrics, RequestLabels};

/// Measures every request that reaches Rocket.
pub(crate) struct RequestMetrics(pub(crate) Metrics);

struct Started(Instant);

#[rocket::async_trait]
impl Fairing for RequestMetrics {
    fn info(&self) -> Info {
        Info { name: "metrics of requests", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        request.local_cache(|| Started(Instant::now()));
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let started = request.local_cache(|| Started(Instant::now())).0;
        // The last one redirects from other host names, and otherwise leaves the request to the catchers.
        let route = request.route().map(|route| route.uri.path());
        let route = route.filter(|template| *template != "/<_..>").unwrap_or("none").to_owned();
        let status = match response.status().code {
            ..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500.. => "5xx",
        };
        let labels = RequestLabels { method: request.method().as_str(), route, status };
        self.0.0.requests.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
    }
}
