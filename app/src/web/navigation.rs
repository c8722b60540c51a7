use rocket::{Request, http::MediaType};

/// Whether a browser wants a page to show. Other requests get a status and JSON: those that accept
/// JSON (`Accept`), and what is no navigation (`Sec-Fetch-Mode`; Fetch Metadata Request Headers,
/// section 2.2). Either header suffices: a page's own script can open JSON as a navigation.
pub fn is_page_navigation(request: &Request<'_>) -> bool {
    let navigates =
        request.headers().get_one("Sec-Fetch-Mode").is_none_or(|mode| mode == "navigate");
    let prefers_json = request.accept().is_some_and(|accept| {
        let preferred = accept.preferred().media_type();
        *preferred == MediaType::JSON || preferred.sub().as_str().ends_with("+json")
    });
    navigates && !prefers_json
}

#[cfg(test)]
mod tests {
    use rocket::{http::Header, local::blocking::Client};

    use super::*;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    #[test]
    fn recognises_page_navigations() {
        let client = Client::untracked(rocket::custom(rocket::Config::debug_default())).unwrap();
        for (accept, mode, expected) in [
            (Some(BROWSER), Some("navigate"), true),
            (Some(BROWSER), None, true),
            (None, Some("navigate"), true),
            (None, None, true),
            (Some("*/*"), None, true),
            (Some("text/html, application/json;q=0.5"), Some("navigate"), true),
            (Some("application/json"), Some("navigate"), false),
            (Some("application/problem+json"), Some("navigate"), false),
            (Some("application/json"), Some("cors"), false),
            (Some("application/json"), None, false),
            (Some(BROWSER), Some("cors"), false),
            (Some("*/*"), Some("no-cors"), false),
            (None, Some("same-origin"), false),
        ] {
            let mut request = client.get("/");
            for (name, value) in [("Accept", accept), ("Sec-Fetch-Mode", mode)] {
                if let Some(value) = value {
                    request.add_header(Header::new(name, value));
                }
            }
            let found = is_page_navigation(request.inner());
            assert_eq!(found, expected, "Accept: {accept:?}, Sec-Fetch-Mode: {mode:?}");
        }
    }
}
