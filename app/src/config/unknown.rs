//! Variables that resemble settings. They may belong to other software, so they cause a warning and
//! no error.

use super::{
    reader::{KEYS, SECRETS},
    rocket,
};

/// Variables of other programs that have the prefix of a setting.
const OF_OTHERS: [&str; 2] = ["SESSION_MANAGER", "PORTICO_TEST_REQUIRE"];

/// Prefixes that many programs use.
const COMMON: [&str; 5] = ["API", "AUTO", "DATABASE", "PUBLIC", "SSL"];

/// Maximum number of edits that count as a spelling mistake.
const MAX_EDITS: usize = 2;

/// Whether Portico reads a setting of this name.
pub(super) fn is_setting(key: &str) -> bool {
    KEYS.contains(&key) || rocket::keys().chain(file_keys()).any(|setting| setting == key)
}

/// The settings that name a file with a secret.
fn file_keys() -> impl Iterator<Item = String> {
    SECRETS.iter().map(|key| format!("{key}_FILE"))
}

/// Every setting, once.
pub(super) fn settings() -> Vec<String> {
    let mut all: Vec<_> =
        KEYS.map(str::to_owned).into_iter().chain(rocket::keys()).chain(file_keys()).collect();
    let mut seen = std::collections::HashSet::new();
    all.retain(|key| seen.insert(key.clone()));
    all
}

/// A warning for each name that resembles a setting or begins like several of them.
pub(super) fn warnings<'a>(names: impl Iterator<Item = &'a str>, source: &str) -> Vec<String> {
    let settings = settings();
    let warning = |name: &str| {
        if settings.iter().any(|setting| setting == name) || is_of_others(name) {
            return None;
        }
        let upper = name.to_ascii_uppercase();
        let nearest = settings
            .iter()
            .map(|setting| (strsim::osa_distance(&upper, setting), setting))
            .min()
            .filter(|(edits, _)| *edits <= MAX_EDITS);
        match nearest {
            Some((_, setting)) => {
                Some(format!("{name} (from {source}) is no setting: did you mean {setting}?"))
            }
            None if has_our_prefix(name) => {
                Some(format!("{name} (from {source}) is no setting of Portico, and is ignored"))
            }
            None => None,
        }
    };
    names.filter_map(warning).collect()
}

fn has_our_prefix(name: &str) -> bool {
    let word = |name: &'_ str| name.split_once('_').map(|(word, _)| word.to_owned());
    word(name).is_some_and(|first| {
        let ours = KEYS.iter().any(|key| word(key).as_ref() == Some(&first));
        first == "PORTICO" || (ours && !COMMON.contains(&&*first))
    })
}

/// Kubernetes and Docker describe a service called `redis` as `REDIS_PORT`, `REDIS_SERVICE_HOST`,
/// `REDIS_PORT_6379_TCP` and so on.
fn is_of_others(name: &str) -> bool {
    let of_service = name.ends_with("_PORT")
        || ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"].iter().any(|part| name.contains(part));
    of_service || OF_OTHERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_variable_that_resembles_setting() {
        for (name, meant) in [
            ("SESSION_STOER", "SESSION_STORE"),
            ("DATABSE_URL", "DATABASE_URL"),
            ("DATABASE_URI", "DATABASE_URL"),
            ("session_store", "SESSION_STORE"),
            ("AUTH0_DOMIAN", "AUTH0_DOMAIN"),
            ("ROCKET_PRT", "ROCKET_PORT"),
            ("ROCKET_WORKER", "ROCKET_WORKERS"),
            ("OIDC_CLIENT_SECRETFILE", "OIDC_CLIENT_SECRET_FILE"),
            ("PUBLC_URL", "PUBLIC_URL"),
            ("OIDC_SIGNUP_PARAMETERS", "OIDC_SIGN_UP_PARAMETERS"),
            ("OIDC_LOGIN_PARAMETER", "OIDC_LOGIN_PARAMETERS"),
        ] {
            let expected = format!("{name} (from here) is no setting: did you mean {meant}?");
            assert_eq!(warnings([name].into_iter(), "here"), [expected]);
        }
    }

    #[test]
    fn names_variable_with_prefix_of_settings() {
        for name in ["OIDC_REALM", "AUTH0_CALLBACK_URL", "SESSION_DRIVER", "REDIS_PASSWORD"] {
            let expected = format!("{name} (from here) is no setting of Portico, and is ignored");
            assert_eq!(warnings([name].into_iter(), "here"), [expected]);
        }
        assert_eq!(warnings(["ROCKET_CONFIG", "PORTICO_KEY"].into_iter(), "here").len(), 2);
    }

    #[test]
    fn accepts_settings_and_unrelated_variables() {
        let names = [
            "SESSION_STORE",
            "OIDC_CLIENT_SECRET_FILE",
            "OIDC_CLIENT_KEY_FILE",
            "SSL_CERT_FILE",
            "ROCKET_LIMITS",
            "SESSION_MANAGER",
            "PORTICO_TEST_REQUIRE",
            "PORTICO_SERVICE_HOST",
            "REDIS_PORT",
            "REDIS_PORT_6379_TCP_ADDR",
            "REDIS_SERVICE_PORT",
            "SSL_CERT_DIR",
            "DATABASE_PASSWORD",
            "API_KEY",
            "XDG_SESSION_TYPE",
            "PATH",
            "HOME",
            "PORT",
            "HTTPS_PROXY",
            "",
        ];
        assert!(warnings(names.into_iter(), "here").is_empty());
    }
}
