//! Hints for the usual mistakes. They depend on the value, and never repeat it.

use super::reader::ROCKET;

/// A hint for a value that is not what is expected; `None` where the mistake is none of the usual ones.
pub(super) fn hint(key: &str, value: &str) -> Option<&'static str> {
    let has_scheme = value.contains("://");
    // Rocket's tables have braces.
    if is_placeholder(value) && (!key.starts_with(ROCKET) || key == "ROCKET_SECRET_KEY") {
        return Some(
            "this looks like a placeholder from an example: put your own value in its place",
        );
    }
    match key {
        "PUBLIC_URL" | "API_SERVER_URL" | "OIDC_ISSUER_URL" | "OIDC_DISCOVERY_URL"
            if !has_scheme =>
        {
            Some("it begins with https://, or http:// on loopback")
        }
        "PUBLIC_URL" => {
            Some("the address of the front page, as browsers see it, without /callback")
        }
        "DATABASE_URL" if value.starts_with("sqlite:") && !has_scheme => {
            Some("two slashes follow `sqlite:`, and a third one begins an absolute path")
        }
        "DATABASE_URL" if value.starts_with("postgresql+") => {
            Some("leave out the driver: postgresql://")
        }
        "REDIS_URL" if !has_scheme => Some("it begins with redis://, or rediss:// for TLS"),
        "ROCKET_SECRET_KEY" | "PREVIOUS_SECRET_KEYS" if is_hexadecimal(value) => {
            Some("this is hexadecimal, and a key is base64: make one with `portico secret`")
        }
        "ROCKET_SECRET_KEY" | "PREVIOUS_SECRET_KEYS" => {
            Some("a password is no key: make one with `portico secret`")
        }
        _ => None,
    }
}

/// Whether the value is one that documentation leaves to be filled in: `<tenant>`, `{tenantid}`,
/// `your-tenant.eu.auth0.com`, `YOUR_DOMAIN`.
pub(crate) fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let is_named =
        ["your-", "your_", "yourtenant", "yourdomain", "changeme", "change-me", "change_me"]
            .iter()
            .any(|part| lower.contains(part));
    is_named || value.contains(['<', '>', '{', '}'])
}

fn is_hexadecimal(value: &str) -> bool {
    value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_usual_mistakes() {
        for (key, value, part) in [
            ("AUTH0_DOMAIN", "<your tenant>", "placeholder"),
            ("OIDC_ISSUER_URL", "https://login.example/{tenantid}/v2.0", "placeholder"),
            ("OIDC_ISSUER_URL", "id.example", "https://"),
            ("PUBLIC_URL", "www.example", "https://"),
            ("PUBLIC_URL", "https://www.example/callback", "front page"),
            ("DATABASE_URL", "sqlite:portico.db", "two slashes"),
            ("DATABASE_URL", "postgresql+psycopg2://a@b/c", "driver"),
            ("REDIS_URL", "127.0.0.1:6379", "redis://"),
            ("ROCKET_SECRET_KEY", &"0a".repeat(32), "hexadecimal"),
            ("ROCKET_SECRET_KEY", "hunter2", "password"),
        ] {
            let hint = hint(key, value).unwrap_or_default();
            assert!(hint.contains(part) && !hint.contains(value), "{key}: {hint}");
        }
        assert_eq!(hint("AUTO_MIGRATE", "perhaps"), None);
        assert_eq!(hint("ROCKET_TLS", "{}"), None);
        assert_eq!(hint("REDIS_URL", "redis://a/b/c"), None);
    }

    #[test]
    fn real_values_are_no_placeholders() {
        for value in ["t.eu.auth0.com", "https://id.example/realms/main", "aB3-_xyz", "changed"] {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
