//! Smaller answers: gzip for those who take it, and nothing at all for those who have the page.

use std::io::{Cursor, Write};

use flate2::{Compression as Level, write::GzEncoder};
use rocket::{
    Request, Response,
    fairing::{Fairing, Info, Kind},
    http::{Header, Status},
};
use sha2::{Digest, Sha256};

use super::assets::KnownTags;

/// Smaller answers fit into a packet as they are. In bytes.
const WORTH_IT: usize = 1_024;

/// Puts an entity tag on pages that browsers may keep, and compresses pages.
///
/// Only answers with status 200 are compressed. Who can make a browser send chosen words, and sees
/// how long the answers are, can guess a secret that stands beside those words (the attack BREACH).
/// The pages hold no tokens, but a user's name and claims; and only error pages repeat what came
/// with the request. They go out as they are.
pub(crate) struct Compression;

#[rocket::async_trait]
impl Fairing for Compression {
    fn info(&self) -> Info {
        Info { name: "compression", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let page = response.content_type().is_some_and(|content_type| content_type.is_html());
        if response.status() != Status::Ok || !page {
            return;
        }
        let chunk = response.body().max_chunk_size();
        let Ok(page) = response.body_mut().to_bytes().await else {
            response.set_status(Status::InternalServerError);
            return;
        };
        if response.headers().get_one("Cache-Control").is_some_and(|value| value != "no-store") {
            // Weak: the same page with and without compression has the same tag.
            let etag = format!("W/\"{}\"", hash(&page));
            let unchanged = KnownTags::of(request).include(&etag);
            response.set_header(Header::new("ETag", etag));
            if unchanged {
                response.set_status(Status::NotModified);
                response.remove_header("Content-Type");
                return;
            }
        }
        response.adjoin_header(Header::new("Vary", "Accept-Encoding"));
        // Twice as fast as the usual level, and a tenth larger.
        let small = (page.len() >= WORTH_IT && takes_gzip(request))
            .then(|| gzip(&page, Level::fast()))
            .flatten();
        let body = match small {
            Some(small) => {
                response.set_header(Header::new("Content-Encoding", "gzip"));
                small
            }
            None => page,
        };
        response.set_sized_body(body.len(), Cursor::new(body));
        response.set_max_chunk_size(chunk);
    }
}

/// The first 64 bits of the SHA-256 in hexadecimal: enough to tell versions of a file apart.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes as gzip (RFC 1952); `None` when it cannot be made.
pub(crate) fn gzip(bytes: &[u8], level: Level) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), level);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// Whether the browser takes gzip: `Accept-Encoding` names it or `*`, and not with weight 0
/// (RFC 9110, section 12.5.3).
pub(crate) fn takes_gzip(request: &Request<'_>) -> bool {
    gzip_is_accepted(request.headers().get("Accept-Encoding"))
}

fn gzip_is_accepted<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let mut any = false;
    for coding in lines.flat_map(|line| line.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        let wanted = weight.is_none_or(|weight| weight > 0.0);
        match name.as_str() {
            "gzip" | "x-gzip" => return wanted,
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::gzip_is_accepted;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let accepted = |line: &str| gzip_is_accepted([line].into_iter());
        for line in ["gzip", "br, GZIP;q=0.5", "*", "deflate, *;q=0.1", "gzip;q=1.0, *;q=0"] {
            assert!(accepted(line), "{line}");
        }
        for line in ["", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "identity", "gzippy"] {
            assert!(!accepted(line), "{line}");
        }
        assert!(gzip_is_accepted(["br", "gzip"].into_iter()), "more than one header");
    }
}
