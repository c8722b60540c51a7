//! Where a person goes after signing in: always a page of this site.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Path and query of a page of this site, safe to put into a `Location` header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPage(String);

/// Longer ones would not fit into the login attempt's cookie. In bytes.
const LONGEST: usize = 1_500;

/// Pages that are steps of signing in or out: going to one of them next would loop or sign out.
const STEPS: [&str; 4] = ["/login", "/signup", "/callback", "/logout"];

impl NextPage {
    /// Accepts the path and query of a page of this site, and nothing that a browser could take
    /// for another one: no scheme, no host, no backslash, no control character, plain or
    /// percent-encoded. `None` for everything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        // A fragment never reaches a server; dropping it would change the meaning unnoticed.
        let path = text.split('?').next().unwrap_or_default();
        if !path.starts_with('/') || text.contains('#') || text.contains('\\') {
            return None;
        }
        let decoded = percent_decoded(path)?;
        let hostile = decoded.contains("//") || decoded.contains('\\');
        // A browser resolves dot segments, so that one could lead to a step in disguise.
        let dotted = decoded.split('/').any(|segment| matches!(segment, "." | ".."));
        let step = decoded.trim_end_matches('/');
        if hostile || dotted || decoded.chars().any(char::is_control) || STEPS.contains(&step) {
            return None;
        }
        Some(Self(text.to_owned()))
    }

    /// Like [`NextPage::parse`], but the profile page where the text is absent or refused.
    pub fn parse_or_profile(text: Option<&str>) -> Self {
        text.and_then(Self::parse).unwrap_or_else(Self::profile)
    }

    /// The profile page, where people go who asked for nothing else.
    pub fn profile() -> Self {
        Self("/profile".into())
    }

    /// The front page.
    pub fn home() -> Self {
        Self("/".into())
    }

    /// Path and query, starting with one slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NextPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Undoes percent-encoding until nothing changes, so that `%255c` hides nothing either.
/// `None` for broken escapes, and for bytes that are no UTF-8.
fn percent_decoded(path: &str) -> Option<String> {
    let mut current = path.to_owned();
    while current.contains('%') {
        let mut bytes = Vec::with_capacity(current.len());
        let mut rest = current.as_bytes();
        while let [first, tail @ ..] = rest {
            if *first == b'%' {
                let digits = tail.get(..2)?;
                let high = char::from(digits[0]).to_digit(16)?;
                let low = char::from(digits[1]).to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
                rest = &tail[2..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        current = String::from_utf8(bytes).ok()?;
    }
    Some(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_site_are_kept_with_their_query() {
        for page in [
            "/",
            "/profile",
            "/protected?tab=2&q=a%20b",
            "/a/b.c?next=https://example.com/",
            "/p%C3%A9rim%C3%A8tre",
            "/@someone",
            "/search?q=50%",
            "/loginhelp",
        ] {
            assert_eq!(NextPage::parse(page).map(|p| p.0), Some(page.to_owned()), "{page}");
        }
    }

    #[test]
    fn nothing_leads_off_this_site() {
        for trick in [
            "",
            " ",
            "profile",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/%5cevil.example",
            "/%5Cevil.example",
            "/%255cevil.example",
            "/%2fevil.example",
            "/%2F%2Fevil.example",
            "/a//evil.example",
            "/..//evil.example",
            "/./profile",
            "/%2e%2e/logout",
            "/\tevil",
            "/\r\nLocation: https://evil.example",
            "/%0d%0aLocation:%20https://evil.example",
            "/%00",
            "/\u{0}",
            "/\u{7f}",
            "/\u{85}",
            "/\u{2028}",
            "/ü",
            "/a b",
            "\t//evil.example",
            "https://evil.example",
            "https:evil.example",
            "HTTP://evil.example/profile",
            "javascript:alert(1)",
            "data:text/html,x",
            "//user@evil.example",
            "https://127.0.0.1:4040@evil.example/",
            "@evil.example",
            ".evil.example",
            "?next=/",
            "#/profile",
            "/profile#x",
            "/%zz",
            "/%f",
            "/%ff",
        ] {
            assert_eq!(NextPage::parse(trick), None, "{trick:?}");
        }
    }

    #[test]
    fn steps_of_signing_in_or_out_are_no_next_page() {
        for step in [
            "/login",
            "/login?next=/",
            "/logout",
            "/logout/",
            "/signup",
            "/%6cogout",
            "/callback?code=x",
        ] {
            assert_eq!(NextPage::parse(step), None, "{step}");
        }
    }

    #[test]
    fn a_page_too_long_to_remember_is_refused() {
        assert!(NextPage::parse(&format!("/{}", "a".repeat(LONGEST - 1))).is_some());
        assert!(NextPage::parse(&format!("/{}", "a".repeat(LONGEST))).is_none());
    }

    #[test]
    fn without_a_next_page_it_is_the_profile() {
        assert_eq!(NextPage::parse_or_profile(None).as_str(), "/profile");
        assert_eq!(NextPage::parse_or_profile(Some("//x")).as_str(), "/profile");
        assert_eq!(NextPage::parse_or_profile(Some("/admin")).as_str(), "/admin");
    }
}
