//! Smaller responses: gzip where it is accepted, and 304 without a body for a cached page.

use std::{
    collections::HashMap,
    io::{Cursor, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

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
#[derive(Default)]
pub(crate) struct Compression {
    recent: Mutex<Recent>,
}

/// What was computed for the pages that were sent last, by their content: no visitor gets anything
/// that was computed for another content.
#[derive(Default)]
struct Recent {
    /// What was used since `older` was.
    newer: HashMap<Vec<u8>, Arc<Computed>>,
    older: HashMap<Vec<u8>, Arc<Computed>>,
    /// The sum of the sizes of the pages in `newer`, in bytes.
    size: usize,
}

/// The entity tag and the compressed form of a page; each is computed when it is first needed.
#[derive(Default)]
struct Computed {
    etag: OnceLock<String>,
    gzip: OnceLock<Option<Vec<u8>>>,
}

impl Recent {
    /// The limit of `size`. Two generations and the compressed forms make less than three times that.
    const MAX_SIZE: usize = 2 * 1024 * 1024;

    fn of(&mut self, page: &[u8]) -> Arc<Computed> {
        if let Some(computed) = self.newer.get(page) {
            return computed.clone();
        }
        let computed = self.older.remove(page).unwrap_or_default();
        if self.size + page.len() > Self::MAX_SIZE {
            self.older = std::mem::take(&mut self.newer);
            self.size = 0;
        }
        self.size += page.len();
        self.newer.insert(page.to_owned(), computed.clone());
        computed
    }
}

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
        let computed = self.recent.lock().unwrap_or_else(PoisonError::into_inner).of(&page);
        if response.headers().get_one("Cache-Control").is_some_and(|value| value != "no-store") {
            // Weak: the same page with and without compression has the same tag.
            let etag = computed.etag.get_or_init(|| format!("W/\"{}\"", hash(&page)));
            let unchanged = CachedTags::of(request).include(etag);
            response.set_header(Header::new("ETag", etag.clone()));
            if unchanged {
                response.set_status(Status::NotModified);
                response.remove_header("Content-Type");
                return;
            }
        }
        response.adjoin_header(Header::new("Vary", "Accept-Encoding"));
        // Twice as fast as the default level, and a tenth larger.
        let is_worth_it = page.len() >= MIN_SIZE && takes_gzip(request);
        let compressed = || computed.gzip.get_or_init(|| gzip(&page, Level::fast())).clone();
        let body = match is_worth_it.then(compressed).flatten() {
            Some(compressed) => {
                response.set_header(Header::new("Content-Encoding", "gzip"));
                compressed
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
    use super::*;

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

    #[test]
    fn remembers_computed_forms_by_content_within_a_limit() {
        let mut recent = Recent::default();
        let page = |number: usize| format!("{number:01000}").into_bytes();
        for number in 0..10_000 {
            let computed = recent.of(&page(number));
            assert!(computed.etag.get().is_none(), "another page's tag for {number}");
            computed.etag.get_or_init(|| number.to_string());
            // A page that is shown again and again stays.
            let first = recent.of(&page(0));
            assert_eq!(first.etag.get().map(String::as_str), Some("0"));
            let sizes = recent.newer.keys().chain(recent.older.keys()).map(Vec::len);
            assert!(
                recent.size <= Recent::MAX_SIZE && sizes.sum::<usize>() <= 2 * Recent::MAX_SIZE
            );
        }
    }
}
