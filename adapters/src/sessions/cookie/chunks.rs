//! Splits a session into cookies and joins it again.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portico_domain::{model::Session, ports::SaveSessionError};

use super::super::unavailable;

/// Number of chunks of a session: all its cookies stay below 48 kB. A proxy in front of the site may
/// accept less (nginx accepts 8 kB a header line unless `large_client_header_buffers` is set, and
/// answers 400).
pub(super) const MAX_CHUNKS: usize = 12;

/// Size of a chunk, in bytes, with its header.
///
/// Browsers drop a cookie over 4,096 bytes silently. Sealing adds 28 bytes, and base64 turns each
/// three bytes into four characters, so that 2,597 bytes become 3,500 characters without padding.
/// Of these only `/` is percent-encoded, as three characters. Name and attributes take at most 150,
/// which leaves room for 220 slashes, where 55 are expected: one chunk in 10^60 has more.
pub(in crate::sessions) const MAX_CHUNK_BYTES: usize = 2_597;

/// Changes with the fields of the session: postcard does not write a description of them.
const VERSION: char = 'd';

/// Version, index and total take a character each; the write id takes the other eleven.
const HEADER: usize = 14;

/// A value as compact text: postcard's bytes, each as the character of that number.
///
/// Base64 would be a third longer and is not needed, because Rocket encodes what it seals. Tokens
/// and claims are nearly all ASCII, so the text is nearly as short as the bytes.
pub(in crate::sessions) fn to_text<T: serde::Serialize>(value: &T) -> postcard::Result<String> {
    Ok(postcard::to_stdvec(value)?.into_iter().map(char::from).collect())
}

/// The value; `None` for text that [`to_text`] did not write.
pub(in crate::sessions) fn from_text<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    let bytes: Vec<u8> = text.chars().map(u8::try_from).collect::<Result<_, _>>().ok()?;
    match postcard::take_from_bytes(&bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

/// Splits the session into chunks. The header of each says which write it belongs to, which chunk
/// it is, and of how many. `write_id` must be fresh for each write. A session that does not fit is
/// split without its ID token.
pub(super) fn split(session: &Session, write_id: [u8; 8]) -> Result<Vec<String>, SaveSessionError> {
    let max_bytes = MAX_CHUNKS * (MAX_CHUNK_BYTES - HEADER);
    let mut text = to_text(session).map_err(unavailable)?;
    if text.len() > max_bytes && session.tokens().id_token.is_some() {
        // Only the log-out at the provider needs it, and works without.
        let mut session = session.clone();
        session.identity.tokens.id_token = None;
        text = to_text(&session).map_err(unavailable)?;
    }
    let mut pieces = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(char_boundary(rest, MAX_CHUNK_BYTES - HEADER));
        pieces.push(piece);
        rest = tail;
    }
    if pieces.len() > MAX_CHUNKS {
        return Err(SaveSessionError::TooLarge { bytes: text.len(), max_bytes });
    }
    let (id, total) = (URL_SAFE_NO_PAD.encode(write_id), digit(pieces.len()));
    let chunk = |(index, piece)| format!("{VERSION}{}{total}{id}{piece}", digit(index));
    Ok(pieces.into_iter().enumerate().map(chunk).collect())
}

/// Joins the session from its chunks, by index. `None` unless all are present, in order, and of one
/// write.
pub(super) fn join(chunk_at: impl Fn(usize) -> Option<String>) -> Option<Session> {
    let mut text = chunk_at(0)?;
    let (_, total, id) = header(&text).filter(|(index, ..)| *index == 0)?;
    let id = id.to_owned();
    text.drain(..HEADER);
    for index in 1..total {
        let chunk = chunk_at(index)?;
        if header(&chunk)? != (index, total, &id) {
            return None;
        }
        text.push_str(&chunk[HEADER..]);
    }
    from_text(&text)
}

/// The last character boundary up to this index.
fn char_boundary(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

/// Index, total and write id.
fn header(chunk: &str) -> Option<(usize, usize, &str)> {
    let header = chunk.get(..HEADER)?.strip_prefix(VERSION)?;
    let number = |character: char| usize::try_from(character.to_digit(36)?).ok();
    let mut characters = header.chars();
    let (index, total) = (number(characters.next()?)?, number(characters.next()?)?);
    (index < total && total <= MAX_CHUNKS).then_some((index, total, characters.as_str()))
}

/// One character for a number up to [`MAX_CHUNKS`].
fn digit(number: usize) -> char {
    u32::try_from(number).ok().and_then(|number| char::from_digit(number, 36)).unwrap_or('z')
}
