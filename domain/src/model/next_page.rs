//! The page to go to after a log-in: always a page of this site.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// Path and query of a page of this site, safe to put into a `Location` header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPage(String);

/// The cookie of a log-in attempt has no room for a longer one.
const MAX_BYTES: usize = 1_500;

/// Addresses that log in or out: going there next would loop or log out.
const STEPS: [&str; 4] = ["/login", "/signup", "/callback", "/logout"];

impl NextPage {
    /// The path and query of a page of this site. `None` for everything that a browser could take
    /// for another address: with a scheme, host, backslash, dot segment or control character,
    /// plain or percent-encoded.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        // Browsers do not send fragments; dropping one would silently change the address.
        let path = text.split('?').next().unwrap_or_default();
        if !path.starts_with('/') || text.contains('#') || text.contains('\\') {
            return None;
        }
        let decoded = percent_decoded(path)?;
        let hostile = decoded.contains("//") || decoded.contains('\\');
        // A browser resolves dot segments, which could lead to one of the steps.
        let dotted = decoded.split('/').any(|segment| matches!(segment, "." | ".."));
        let step = decoded.trim_end_matches('/');
        if hostile || dotted || decoded.chars().any(char::is_control) || STEPS.contains(&step) {
            return None;
        }
        Some(Self(text.to_owned()))
    }

    /// Like [`NextPage::parse`], with the profile page where the text is absent or refused.
    pub fn parse_or_profile(text: Option<&str>) -> Self {
        text.and_then(Self::parse).unwrap_or_else(Self::profile)
    }

    /// The profile page: the default.
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

/// Decodes until nothing is encoded any more, so that `%255c` hides nothing either. `None` for
/// broken escapes, and for bytes that are no UTF-8.
fn percent_decoded(path: &str) -> Option<String> {
    let mut current = path.to_owned();
    while current.contains('%') {
        let decoded = percent_decode_str(&current).decode_utf8().ok()?.into_owned();
        if decoded == current {
            return None;
        }
        current = decoded;
    }
    Some(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_pages_of_this_site_with_query() {
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
    fn refuses_addresses_of_other_sites() {
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
    fn refuses_addresses_that_log_in_or_out() {
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
    fn refuses_too_long_page() {
        assert!(NextPage::parse(&format!("/{}", "a".repeat(MAX_BYTES - 1))).is_some());
        assert!(NextPage::parse(&format!("/{}", "a".repeat(MAX_BYTES))).is_none());
    }

    #[test]
    fn profile_is_the_default() {
        assert_eq!(NextPage::parse_or_profile(None).as_str(), "/profile");
        assert_eq!(NextPage::parse_or_profile(Some("//x")).as_str(), "/profile");
        assert_eq!(NextPage::parse_or_profile(Some("/admin")).as_str(), "/admin");
    }
}
