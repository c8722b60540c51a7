//! The lines of `.env`.
//!
//! They are read as python-dotenv reads them, and so as django-environ does wherever the two agree:
//! the `.env` of Auth0's samples is written for these readers. The differences:
//!
//! - `$` is text. The Python readers replace `${NAME}`, and django-environ also a whole value
//!   `$NAME`: a secret with a `$` in it would become another one.
//! - What python-dotenv skips with a warning, or reads as a key without value, is an error: a line
//!   without `=`, a quote that is not closed, text behind the closing quote, a key that no variable
//!   can have.

/// The pairs in the order of the lines; a key may occur several times.
///
/// # Errors
/// The number of the first line that is malformed, counted from 1; for a value that is not closed,
/// the line where it begins.
pub(super) fn pairs(content: &[u8]) -> Result<Vec<(String, String)>, usize> {
    let text = str::from_utf8(content).map_err(|error| {
        // What comes before is UTF-8.
        line_number(str::from_utf8(&content[..error.valid_up_to()]).unwrap_or_default())
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut rest = Rest(text);
    let mut pairs = Vec::new();
    while rest.skip_to_pair() {
        let start = text.len() - rest.0.len();
        pairs.push(rest.pair().ok_or_else(|| line_number(&text[..start]))?);
    }
    Ok(pairs)
}

/// The number of the line that follows this text, or that it ends in.
fn line_number(before: &str) -> usize {
    let ends = |end| before.matches(end).count();
    1 + ends("\n") + ends("\r") - ends("\r\n")
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Skips empty lines and comments. `false` where nothing follows them.
    fn skip_to_pair(&mut self) -> bool {
        loop {
            self.0 = self.0.trim_start();
            if !self.0.starts_with('#') {
                return !self.0.is_empty();
            }
            self.take_line();
        }
    }

    /// The rest of the line, without its end.
    fn take_line(&mut self) -> &'a str {
        let (line, rest) = self.0.split_at(self.0.find(is_line_end).unwrap_or(self.0.len()));
        self.0 = rest;
        line
    }

    fn pair(&mut self) -> Option<(String, String)> {
        let line = self.0;
        if let Some(name) = line.strip_prefix("export").filter(|name| name.starts_with(is_blank)) {
            self.0 = name.trim_start_matches(is_blank);
        }
        let end = self.0.find(|c: char| c == '=' || c.is_whitespace())?;
        let (key, rest) = self.0.split_at(end);
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let value = rest.trim_start_matches(is_blank).strip_prefix('=')?;
        if key.is_empty() || !key.chars().all(name) {
            return None;
        }
        self.0 = value.trim_start_matches(is_blank);
        // A comment begins with `#` behind white space, so that `#` may also begin a value.
        if self.0.len() < value.len() && self.0.starts_with('#') {
            self.take_line();
            return Some((key.to_owned(), String::new()));
        }
        let value = match self.0.chars().next() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote)?,
            _ => unquoted(self.take_line()).to_owned(),
        };
        Some((key.to_owned(), value))
    }

    /// The value between quotes, over several lines where need be. `None` unless it is closed and
    /// nothing but a comment follows.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut value = String::new();
        let mut chars = self.0[quote.len_utf8()..].chars();
        loop {
            match chars.next()? {
                '\\' => {
                    let escaped = chars.next()?;
                    match unescaped(escaped, quote) {
                        Some(character) => value.push(character),
                        None => value.extend(['\\', escaped]),
                    }
                }
                // As Python does, whatever system the file is from.
                '\r' => {
                    chars = chars.as_str().strip_prefix('\n').unwrap_or(chars.as_str()).chars();
                    value.push('\n');
                }
                character if character == quote => break,
                character => value.push(character),
            }
        }
        self.0 = chars.as_str();
        let behind = self.take_line().trim();
        (behind.is_empty() || behind.starts_with('#')).then_some(value)
    }
}

/// What a backslash before this character stands for; `None` where it stands for itself.
fn unescaped(escaped: char, quote: char) -> Option<char> {
    match (escaped, quote) {
        ('\\' | '\'', _) | ('"', '"') => Some(escaped),
        ('n', '"') => Some('\n'),
        ('r', '"') => Some('\r'),
        ('t', '"') => Some('\t'),
        _ => None,
    }
}

/// The value without comment and trailing white space.
fn unquoted(line: &str) -> &str {
    let comment = line.match_indices('#').find(|(at, _)| line[..*at].ends_with(is_blank));
    comment.map_or(line, |(at, _)| &line[..at]).trim_end()
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r')
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() && !is_line_end(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `K=` and the value that the line gives it.
    fn value(line: &str) -> Result<String, usize> {
        pairs(line.as_bytes()).map(|mut pairs| {
            assert_eq!(pairs.len(), 1, "{line}");
            let (key, value) = pairs.remove(0);
            assert_eq!(key, "K", "{line}");
            value
        })
    }

    #[test]
    fn reads_what_both_python_readers_agree_on() {
        // As python-dotenv 1.2.4 and django-environ 0.14.0 read it.
        for (line, expected) in [
            ("K=abc$def~ghi", "abc$def~ghi"),
            ("K=\"abc$def~ghi\"", "abc$def~ghi"),
            ("K='abc$def~ghi'", "abc$def~ghi"),
            (r"K=a\b", r"a\b"),
            (r"K=a\nb", r"a\nb"),
            (r"K='a\nb'", r"a\nb"),
            (r#"K="a\"b""#, "a\"b"),
            (r#"K="a\\b""#, r"a\b"),
            (r"K=\$b", r"\$b"),
            (r"K=a\ b", r"a\ b"),
            (r"K=a\#b", r"a\#b"),
            ("K=it's", "it's"),
            ("K=a\"b", "a\"b"),
            ("K=a#c", "a#c"),
            ("K=#c", "#c"),
            ("K='a # c'", "a # c"),
            ("K=\"a # c\"", "a # c"),
            ("K=a b c", "a b c"),
            ("export K=a", "a"),
            ("K=", ""),
            ("K=''", ""),
            ("K=\"\"", ""),
            ("K=ä", "ä"),
            ("K=a=b==", "a=b=="),
            ("K==a", "=a"),
            ("K=`a b`", "`a b`"),
            ("K=\"'a'\"", "'a'"),
            ("K=' a '", " a "),
            ("# L=b\n #\nK=a", "a"),
            ("\n\n\r\nK=a\n\n", "a"),
        ] {
            assert_eq!(value(line).as_deref(), Ok(expected), "{line}");
        }
        let two = |text: &str| pairs(text.as_bytes()).unwrap();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        for ends in ["\n", "\r\n", "\r"] {
            let text = format!("K=a{ends}L=b{ends}");
            assert_eq!(two(&text), [pair("K", "a"), pair("L", "b")], "{ends:?}");
        }
        // The later one wins.
        assert_eq!(two("K=a\nK=b"), [pair("K", "a"), pair("K", "b")]);
        assert_eq!(two("1K=a\nexport=b"), [pair("1K", "a"), pair("export", "b")]);
    }

    #[test]
    fn reads_as_python_dotenv_where_django_environ_differs() {
        for (line, expected) in [
            ("K=a # c", "a"),
            ("K=a\t#c", "a"),
            ("K= #c", ""),
            ("K='a' # c", "a"),
            ("K=\"a\" # c", "a"),
            ("K=\"a\"#c", "a"),
            (r#"K="a\nb\tc""#, "a\nb\tc"),
            (r#"K="a\$b\x41\u00e4""#, r"a\$b\x41\u00e4"),
            (r"K='a\'b'", "a'b"),
            (r"K='a\\b'", r"a\b"),
            ("K='\"a\"'", "\"a\""),
            ("export  K=a", "a"),
            ("  K=a", "a"),
            ("K = a", "a"),
            ("K= a", "a"),
            ("K=a  ", "a"),
            ("K=\"a\nb\"", "a\nb"),
            ("K='a\r\nb'", "a\nb"),
            ("\u{FEFF}K=a", "a"),
        ] {
            assert_eq!(value(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn expands_no_variable() {
        for line in ["K=${HOME}x", "K=\"${HOME}x\"", "K='${HOME}x'"] {
            assert_eq!(value(line).as_deref(), Ok("${HOME}x"), "{line}");
        }
        assert_eq!(value("K=$HOME").as_deref(), Ok("$HOME"));
    }

    #[test]
    fn names_the_line_that_is_malformed() {
        for (text, line) in [
            ("K", 1),
            ("export K", 1),
            ("L=b\nK", 2),
            ("L=b\r\n\r\nK: a", 3),
            ("L='b\nc'\n\n=x", 4),
            ("K=\"a", 1),
            ("K='a", 1),
            ("L=b\nK=\"a\nM=c", 2),
            ("K=\"a\\", 1),
            ("K=\"a'b", 1),
            ("K=\"a\" b", 1),
            ("K='a' b", 1),
            ("'K'=a", 1),
            ("K L=a", 1),
        ] {
            assert_eq!(pairs(text.as_bytes()), Err(line), "{text}");
        }
        assert_eq!(pairs(b"L=b\n\nK=\xff\nM=c"), Err(3));
        assert_eq!(pairs(b"\xff\xfeK\0=\0a\0"), Err(1), "UTF-16");
    }

    proptest! {
        #[test]
        fn reads_or_refuses_any_bytes(content: Vec<u8>) {
            let _ = pairs(&content);
        }

        #[test]
        fn reads_or_refuses_any_lines(content in "([A-Z= '\"\\\\#\r\n\t$é]|export |K=){0,40}") {
            let lines = content.lines().count().max(1) + content.matches('\r').count();
            if let Err(line) = pairs(content.as_bytes()) {
                prop_assert!((1..=lines).contains(&line));
            }
        }

        #[test]
        fn takes_any_value_without_quotes_and_white_space(value in "[!-~&&[^#'\"]][!-~]{0,40}") {
            prop_assert_eq!(
                pairs(format!("K={value}\n").as_bytes()),
                Ok(vec![("K".to_owned(), value)])
            );
        }

        #[test]
        fn takes_any_value_in_single_quotes(value in "[^'\\\\\r]{0,40}") {
            prop_assert_eq!(
                pairs(format!("K='{value}'\n").as_bytes()),
                Ok(vec![("K".to_owned(), value)])
            );
        }
    }
}
