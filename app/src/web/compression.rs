//! Smaller responses: gzip where it is accepted, and 304 without a body for a cached page.

use std::io::{Cursor, Write};

use flate2::{Compression as Level, write::GzEncoder};
use rocket::{
    Request, Response,
    fairing::{Fairing, Info, Kind},
    http::{Header, Status},
};
use sha2::{Digest, Sha256};

use super::assets::CachedTags;

/// In bytes. Smaller responses fit into one packet anyway.
const MIN_SIZE: usize = 1_024;

/// Adds an entity tag to pages that browsers may cache, and compresses pages.
///
/// Only responses with status 200 are compressed. An attacker who chooses a part of the request and
/// observes the size of the compressed response can guess secrets in it (BREACH). Pages contain a
/// user's name and claims, and only error pages repeat parts of the request: they stay uncompressed.
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
            let unchanged = CachedTags::of(request).include(&etag);
            response.set_header(Header::new("ETag", etag));
            if unchanged {
                response.set_status(Status::NotModified);
                response.remove_header("Content-Type");
                return;
            }
        }
        response.adjoin_header(Header::new("Vary", "Accept-Encoding"));
        // Twice as fast as the default level, and a tenth larger.
        let small = (page.len() >= MIN_SIZE && takes_gzip(request))
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

/// The bytes compressed with gzip (RFC 1952); `None` when that fails.
pub(crate) fn gzip(bytes: &[u8], level: Level) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), level);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// Whether the browser accepts gzip: `Accept-Encoding` names it or `*`, and not with weight 0
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
        let accepted = weight.is_none_or(|weight| weight > 0.0);
        match name.as_str() {
            "gzip" | "x-gzip" => return accepted,
            "*" => any = accepted,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::gzip_is_accepted;

    #[test]
    fn reads_accept_encoding() {
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
