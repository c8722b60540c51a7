//! A session as text, cut to fit into cookies, and put together again.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portico_domain::model::Session;

/// Most chunks a session may have, so that all cookies of a session stay below 48 kB. That is
/// what this site bears; a proxy in front of it may bear less (nginx stops at 8 kB a header line
/// unless `large_client_header_buffers` says otherwise, and answers 400).
pub(super) const MOST: usize = 12;

/// Most text of one chunk, in bytes, header included.
///
/// Browsers drop a cookie over 4,096 bytes without a word. Rocket adds 28 bytes to the text to
/// seal it and turns each three bytes of that into four characters, so that 2,597 bytes become
/// 3,500 characters without padding. Of these only `/` is percent-encoded, as three. Name and
/// attributes take at most 150, which leaves room for 220 slashes, where 55 are expected: one
/// chunk in 10^60 has more.
pub(super) const LONGEST: usize = 2_597;

/// Changes whenever the session's fields do: postcard does not describe what it wrote.
const VERSION: char = 'b';

/// Version, index and total take a character each; the write id takes the other eleven.
const HEADER: usize = 14;

/// Why a session cannot be kept in cookies.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooLarge {
    /// It needs so many bytes, and there is room for so many.
    #[error("the session takes {0} bytes, and {1} fit into cookies")]
    Bytes(usize, usize),
    /// It cannot be written at all.
    #[error("the session cannot be written: {0}")]
    Unwritable(postcard::Error),
}

/// Any value as compact text: postcard's bytes, each taken for the character of that number.
///
/// Base64 would be a third longer and is not needed, because Rocket encodes what it seals. Tokens
/// and claims are nearly all ASCII, so that the text is nearly as short as the bytes.
pub(super) fn to_text<T: serde::Serialize>(value: &T) -> postcard::Result<String> {
    Ok(postcard::to_stdvec(value)?.into_iter().map(char::from).collect())
}

/// The value again; `None` for text that [`to_text`] did not write.
pub(super) fn from_text<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    let bytes: Vec<u8> = text.chars().map(u8::try_from).collect::<Result<_, _>>().ok()?;
    match postcard::take_from_bytes(&bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

/// Cuts the session into chunks, each with a header that says to which writing it belongs, which
/// one it is, and of how many. `id` must be fresh for each writing.
pub(super) fn cut(session: &Session, id: [u8; 8]) -> Result<Vec<String>, TooLarge> {
    let text = to_text(session).map_err(TooLarge::Unwritable)?;
    let mut pieces = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(boundary(rest, LONGEST - HEADER));
        pieces.push(piece);
        rest = tail;
    }
    if pieces.len() > MOST {
        return Err(TooLarge::Bytes(text.len(), MOST * (LONGEST - HEADER)));
    }
    let (id, total) = (URL_SAFE_NO_PAD.encode(id), digit(pieces.len()));
    let chunk = |(index, piece)| format!("{VERSION}{}{total}{id}{piece}", digit(index));
    Ok(pieces.into_iter().enumerate().map(chunk).collect())
}

/// Puts the session together from the chunks that `at` finds by their index. `None` unless all are
/// there, in their places, and of one writing.
pub(super) fn join(at: impl Fn(usize) -> Option<String>) -> Option<Session> {
    let mut text = at(0)?;
    let (_, total, id) = header(&text).filter(|(index, ..)| *index == 0)?;
    let id = id.to_owned();
    text.drain(..HEADER);
    for index in 1..total {
        let chunk = at(index)?;
        if header(&chunk)? != (index, total, &id) {
            return None;
        }
        text.push_str(&chunk[HEADER..]);
    }
    from_text(&text)
}

/// The longest beginning of the text, in bytes, that is no longer than this.
fn boundary(text: &str, longest: usize) -> usize {
    (0..=longest.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Index, total and write id.
fn header(chunk: &str) -> Option<(usize, usize, &str)> {
    let header = chunk.get(..HEADER)?.strip_prefix(VERSION)?;
    let number = |character: char| usize::try_from(character.to_digit(36)?).ok();
    let mut characters = header.chars();
    let (index, total) = (number(characters.next()?)?, number(characters.next()?)?);
    (index < total && total <= MOST).then_some((index, total, characters.as_str()))
}

/// One character for a number up to [`MOST`].
fn digit(number: usize) -> char {
    u32::try_from(number).ok().and_then(|number| char::from_digit(number, 36)).unwrap_or('z')
}
