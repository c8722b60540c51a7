use portico_domain::model::SessionId;
use sha2::{Digest, Sha256};

/// The SHA-256 hash by which something is looked up that itself is not kept.
pub(super) type Hash = [u8; 32];

/// Of what it is about and the parts, none of which can be taken for another.
pub(super) fn hash(about: &str, parts: &[&[u8]]) -> Hash {
    let mut hash = Sha256::new();
    for part in std::iter::once(&about.as_bytes()).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

pub(super) fn person(issuer: &str, subject: &str) -> Hash {
    hash("person", &[issuer.as_bytes(), subject.as_bytes()])
}

pub(super) fn provider_session(issuer: &str, sid: &str) -> Hash {
    hash("provider session", &[issuer.as_bytes(), sid.as_bytes()])
}

pub(super) fn provider_session_of(issuer: &str, sid: &str, subject: &str) -> Hash {
    hash("provider session of", &[issuer.as_bytes(), sid.as_bytes(), subject.as_bytes()])
}

pub(super) fn session(issuer: &str, subject: &str, id: SessionId) -> Hash {
    hash("session", &[issuer.as_bytes(), subject.as_bytes(), id.as_bytes()])
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
