//! The style sheet, the script and the icon, embedded in the binary.
//!
//! Their paths contain a hash of their content. Browsers may therefore cache them indefinitely, and a
//! new version of the site is never shown with an old style sheet.

use flate2::Compression as Level;
use rocket::http::hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, ETAG, IF_NONE_MATCH, VARY};
use rocket::http::{ContentType, Header, Status};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::{self, Responder, Response};
use rocket::{Route, State, get, routes};

use super::compression::{gzip, hash, takes_gzip};

/// `Cache-Control` of files whose name changes with their content (RFC 8246).
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// `Cache-Control` of files whose name stays: one day, in seconds.
const ONE_DAY: &str = "public, max-age=86400";

/// The embedded files under their hashed names. Managed by the Rocket that mounts [`routes()`].
#[derive(Debug)]
pub struct Assets {
    css: Asset,
    js: Asset,
    icon: Asset,
    robots: Asset,
}

impl Assets {
    /// Hashes and compresses each file: done once, at start.
    #[must_use]
    pub fn new() -> Self {
        let javascript = ContentType::new("text", "javascript").with_params(("charset", "utf-8"));
        Self {
            css: Asset::new("css", ContentType::CSS, include_bytes!("../../static/portico.css")),
            js: Asset::new("js", javascript, include_bytes!("../../static/portico.js")),
            icon: Asset::new("svg", ContentType::SVG, include_bytes!("../../static/icon.svg")),
            robots: Asset::new(
                "txt",
                ContentType::Plain,
                include_bytes!("../../static/robots.txt"),
            ),
        }
    }

    /// The style sheet's path: `/static/portico-<hash>.css`.
    #[must_use]
    pub fn css(&self) -> &str {
        &self.css.path
    }

    /// The script's path: `/static/portico-<hash>.js`.
    #[must_use]
    pub fn js(&self) -> &str {
        &self.js.path
    }

    /// The icon's path: `/static/portico-<hash>.svg`.
    #[must_use]
    pub fn icon(&self) -> &str {
        &self.icon.path
    }
}

impl Default for Assets {
    fn default() -> Self {
        Self::new()
    }
}

/// The files' routes, to be mounted at `/`. They need managed [`Assets`].
#[must_use]
pub fn routes() -> Vec<Route> {
    routes![hashed, favicon, robots]
}

/// A file under its hashed name. The hash of an earlier version is not found.
#[get("/static/<name>")]
fn hashed<'a>(name: &str, assets: &'a State<Assets>, cached: CachedTags) -> Option<Served<'a>> {
    let asset = [&assets.css, &assets.js, &assets.icon]
        .into_iter()
        .find(|asset| asset.path.strip_prefix("/static/") == Some(name))?;
    Some(Served { asset, cache_control: IMMUTABLE, unchanged: cached.include(&asset.etag) })
}

/// Browsers request this path by themselves. They accept SVG.
#[get("/favicon.ico")]
fn favicon(assets: &State<Assets>, cached: CachedTags) -> Served<'_> {
    let asset = &assets.icon;
    Served { asset, cache_control: ONE_DAY, unchanged: cached.include(&asset.etag) }
}

/// Search engines may index the public pages.
#[get("/robots.txt")]
fn robots(assets: &State<Assets>, cached: CachedTags) -> Served<'_> {
    let asset = &assets.robots;
    Served { asset, cache_control: ONE_DAY, unchanged: cached.include(&asset.etag) }
}

#[derive(Debug)]
struct Asset {
    path: String,
    etag: String,
    content_type: ContentType,
    bytes: &'static [u8],
    /// `None` where compression gains nothing.
    gzip: Option<Vec<u8>>,
}

impl Asset {
    fn new(extension: &str, content_type: ContentType, bytes: &'static [u8]) -> Self {
        let hash = hash(bytes);
        Self {
            path: format!("/static/portico-{hash}.{extension}"),
            // Weak: the same file with and without compression has the same tag.
            etag: format!("W/\"{hash}\""),
            content_type,
            bytes,
            gzip: gzip(bytes, Level::best()).filter(|small| small.len() < bytes.len()),
        }
    }
}

/// The entity tags that the browser has cached: `If-None-Match` (RFC 9110, section 13.1.2).
pub(crate) struct CachedTags(Vec<String>);

impl CachedTags {
    pub(crate) fn of(request: &Request<'_>) -> Self {
        Self(request.headers().get(IF_NONE_MATCH.as_str()).map(str::to_owned).collect())
    }

    /// Whether this tag is among them, by the weak comparison (RFC 9110, section 8.8.3.2).
    pub(crate) fn include(&self, etag: &str) -> bool {
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        let matches = |tag: &str| tag == "*" || opaque(tag) == opaque(etag);
        self.0.iter().flat_map(|line| line.split(',')).map(str::trim).any(matches)
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for CachedTags {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        Outcome::Success(Self::of(request))
    }
}

struct Served<'a> {
    asset: &'a Asset,
    cache_control: &'static str,
    unchanged: bool,
}

impl<'r> Responder<'r, 'r> for Served<'r> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let mut response = Response::build();
        // A 304 repeats the caching headers of a 200 (RFC 9110, section 15.4.5).
        response
            .header(Header::new(ETAG.as_str(), self.asset.etag.clone()))
            .header(Header::new(CACHE_CONTROL.as_str(), self.cache_control))
            .header(Header::new(VARY.as_str(), "Accept-Encoding"));
        if self.unchanged {
            return response.status(Status::NotModified).ok();
        }
        let mut bytes = self.asset.bytes;
        if let Some(small) = self.asset.gzip.as_deref().filter(|_| takes_gzip(request)) {
            bytes = small;
            response.header(Header::new(CONTENT_ENCODING.as_str(), "gzip"));
        }
        response
            .header(self.asset.content_type.clone())
            .max_chunk_size(bytes.len().max(1))
            .sized_body(bytes.len(), std::io::Cursor::new(bytes))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use rocket::local::blocking::{Client, LocalResponse};

    use super::*;

    fn client() -> Client {
        // Not `Rocket::build`, which reads the settings of the machine.
        let rocket = rocket::custom(rocket::Config::debug_default());
        Client::untracked(rocket.manage(Assets::new()).mount("/", routes())).unwrap()
    }

    fn header<'a>(response: &'a LocalResponse<'_>, name: &str) -> Option<&'a str> {
        response.headers().get_one(name)
    }

    #[test]
    fn serves_files_under_their_hash_as_immutable() {
        let (client, assets) = (client(), Assets::new());
        for (path, extension, content_type) in [
            (assets.css(), ".css", "text/css; charset=utf-8"),
            (assets.js(), ".js", "text/javascript; charset=utf-8"),
            (assets.icon(), ".svg", "image/svg+xml"),
        ] {
            let hash = path.strip_prefix("/static/portico-").unwrap();
            let hash = hash.strip_suffix(extension).unwrap();
            assert!(hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{path}");

            let response = client.get(path.to_owned()).dispatch();
            assert_eq!(response.status(), Status::Ok);
            assert_eq!(header(&response, "content-type"), Some(content_type));
            assert_eq!(header(&response, "cache-control"), Some(IMMUTABLE));
            assert_eq!(header(&response, "etag"), Some(format!("W/\"{hash}\"").as_str()));
            assert!(!response.into_bytes().unwrap().is_empty());
        }
    }

    #[test]
    fn path_contains_hash_of_content() {
        // printf abc | sha256sum
        let asset = Asset::new("txt", ContentType::Plain, b"abc");
        assert_eq!(asset.path, "/static/portico-ba7816bf8f01cfea.txt");
    }

    #[test]
    fn answers_304_for_current_etag() {
        let (client, assets) = (client(), Assets::new());
        let etag = assets.css.etag.clone();
        for cached in [etag.clone(), etag.replace("W/", ""), format!("\"old\", {etag}"), "*".into()]
        {
            let request = client.get(assets.css().to_owned());
            let response = request.header(Header::new("If-None-Match", cached)).dispatch();
            assert_eq!(response.status(), Status::NotModified);
            assert_eq!(header(&response, "etag"), Some(etag.as_str()));
            assert_eq!(header(&response, "cache-control"), Some(IMMUTABLE));
            assert!(response.into_bytes().unwrap_or_default().is_empty());
        }
    }

    #[test]
    fn sends_file_for_outdated_etag() {
        let (client, assets) = (client(), Assets::new());
        let request = client.get(assets.css().to_owned());
        let response = request.header(Header::new("If-None-Match", "\"old\"")).dispatch();
        assert_eq!(response.status(), Status::Ok);
    }

    #[test]
    fn unknown_file_is_404() {
        let client = client();
        for path in ["/static/portico.css", "/static/portico-0123456789abcdef.css", "/static/%2e"] {
            assert_eq!(client.get(path).dispatch().status(), Status::NotFound, "{path}");
        }
    }

    #[test]
    fn serves_favicon_and_robots_txt() {
        let client = client();
        let icon = client.get("/favicon.ico").dispatch();
        assert_eq!(header(&icon, "content-type"), Some("image/svg+xml"));
        assert_eq!(header(&icon, "cache-control"), Some(ONE_DAY));

        let robots = client.get("/robots.txt").dispatch();
        assert_eq!(header(&robots, "content-type"), Some("text/plain; charset=utf-8"));
        assert!(robots.into_string().unwrap().contains("Disallow: /profile"));
    }
}
