//! Who may log in, and what the provider's claims permit.

use std::collections::BTreeMap;

use portico_domain::model::{
    ClaimPath, EmailDomain, EntryRules, Permission, PermissionRules, RequiredClaim,
    SITE_PERMISSIONS,
};

use super::reader::Reader;

/// The table of the mapping in `Portico.toml`; the environment has none.
pub(super) const MAPPING: &str = "permissions";

/// `PERMISSIONS_CLAIMS` and the table `[permissions]`; problems are noted. At the development provider
/// the claim that it states counts as well, so that its administrator opens guarded pages.
pub(super) fn permissions(read: &mut Reader, at_development: bool) -> PermissionRules {
    let claims = read.parsed(
        "PERMISSIONS_CLAIMS",
        "paths of claims such as realm_access.roles, separated by commas or spaces",
        claim_paths,
    );
    let default = PermissionRules::default().claims;
    let mut claims = claims.unwrap_or_else(|| default.clone());
    if at_development {
        claims.retain(|claim| !default.contains(claim));
        claims.extend(default);
    }
    PermissionRules { claims, mapping: mapping(read) }
}

fn claim_paths(text: &str) -> Option<Vec<ClaimPath>> {
    let paths: Vec<_> = words(text).map(ClaimPath::parse).collect::<Option<_>>()?;
    (!paths.is_empty()).then_some(paths)
}

fn mapping(read: &mut Reader) -> BTreeMap<String, Vec<Permission>> {
    let Some(table) = read.table(MAPPING) else { return BTreeMap::new() };
    let mut mapping = BTreeMap::new();
    for (value, names) in table {
        let key = format!("{MAPPING}.\"{value}\"");
        let Some(names) = names else {
            read.refuse(&key, "an array of permissions");
            continue;
        };
        for name in names.iter().filter(|name| !SITE_PERMISSIONS.contains(&name.as_str())) {
            let site = SITE_PERMISSIONS.join(", ");
            read.refuse(&key, &format!("permissions of this site ({site}), not {name:?}"));
        }
        mapping.insert(value, names.into_iter().map(Permission::new).collect());
    }
    mapping
}

/// `ALLOWED_EMAIL_DOMAINS`, `REQUIRED_CLAIMS` and `REQUIRE_VERIFIED_EMAIL`; problems are noted.
pub(super) fn rules(read: &mut Reader) -> EntryRules {
    let email_domains = read.parsed(
        "ALLOWED_EMAIL_DOMAINS",
        "domains such as example.com, in ASCII (xn--…), separated by commas or spaces",
        |text| {
            words(text)
                .map(EmailDomain::parse)
                .collect::<Option<Vec<_>>>()
                .filter(|it| !it.is_empty())
        },
    );
    let required_claims = read.parsed(
        "REQUIRED_CLAIMS",
        "claims such as groups=staff, separated by commas",
        required_claims,
    );
    let require_verified_email =
        read.parsed("REQUIRE_VERIFIED_EMAIL", "true or false", |text| text.parse().ok());
    EntryRules {
        email_domains: email_domains.unwrap_or_default(),
        required_claims: required_claims.unwrap_or_default(),
        require_verified_email: require_verified_email.unwrap_or(false),
    }
}

fn required_claims(text: &str) -> Option<Vec<RequiredClaim>> {
    let required = |pair: &str| {
        let (path, value) = pair.split_once('=')?;
        let (path, value) = (ClaimPath::parse(path.trim())?, value.trim().to_owned());
        (!value.is_empty()).then_some(RequiredClaim { path, value })
    };
    text.split(',').map(required).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use figment::{
        Figment,
        providers::{Format, Toml},
    };

    use super::*;
    use crate::config::{Problem, Settings};

    fn from_toml(text: &str) -> Result<Settings, Vec<Problem>> {
        Settings::from_figment(Figment::from(Toml::string(text))).map_err(|problems| problems.0)
    }

    fn paths(settings: &Settings) -> Vec<&str> {
        settings.permissions.claims.iter().map(ClaimPath::as_str).collect()
    }

    #[test]
    fn reads_paths_with_commas_or_spaces_between() {
        let default = Settings::from_pairs([("ROCKET_PROFILE", "debug")]).unwrap();
        assert_eq!(paths(&default), ["permissions"]);
        for text in [
            "realm_access.roles,https://example.com/roles cognito:groups",
            " realm_access.roles , https://example.com/roles,cognito:groups,",
        ] {
            let pairs = [("ROCKET_PROFILE", "debug"), ("PERMISSIONS_CLAIMS", text)];
            let settings = Settings::from_pairs(pairs).unwrap();
            let expected = ["realm_access.roles", "https://example.com/roles", "cognito:groups"];
            assert_eq!(paths(&settings)[..3], expected);
            assert_eq!(paths(&settings)[3..], ["permissions"], "of the development provider");
        }
        let registered = [
            ("OIDC_ISSUER_URL", "https://id.example"),
            ("OIDC_CLIENT_ID", "portico"),
            ("PERMISSIONS_CLAIMS", "groups"),
        ];
        let pairs = registered.into_iter().chain([("ROCKET_PROFILE", "debug")]);
        assert_eq!(paths(&Settings::from_pairs(pairs).unwrap()), ["groups"]);
        let pairs = [("ROCKET_PROFILE", "debug"), ("PERMISSIONS_CLAIMS", ", ,")];
        assert_eq!(Settings::from_pairs(pairs).unwrap_err().0[0].key, "PERMISSIONS_CLAIMS");
    }

    #[test]
    fn reads_mapping_from_the_file() {
        let settings = from_toml(
            "rocket_profile = \"debug\"\n[permissions]\n\"/admins\" = [\"read:admin-messages\"]\n\
             \"https://example.com/a.b\" = \"read:admin-messages\"",
        )
        .unwrap();
        let expected = vec![Permission::new("read:admin-messages")];
        assert_eq!(settings.permissions.mapping["/admins"], expected);
        assert_eq!(settings.permissions.mapping["https://example.com/a.b"], expected);
    }

    /// The code blocks of `docs/permissions.md` in this language.
    fn documented(language: &str) -> Vec<&'static str> {
        let guide = include_str!("../../../docs/permissions.md");
        let start = format!("```{language}\n");
        guide.split(&*start).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
    }

    #[test]
    fn takes_the_settings_of_the_guide() {
        let blocks = documented("toml");
        assert_eq!(blocks.len(), 1);
        for block in blocks {
            // Top-level keys stay before the table.
            let settings = from_toml(&format!("rocket_profile = \"debug\"\n{block}")).unwrap();
            assert_eq!(paths(&settings)[0], "groups");
            let expected = vec![Permission::new("read:admin-messages")];
            assert_eq!(settings.permissions.mapping["/admins"], expected);
        }
        let guide = include_str!("../../../docs/permissions.md");
        let rows = guide.lines().filter(|line| line.starts_with("| ")).skip(2);
        let named: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
        assert!(named.len() >= 10, "{named:?}");
        for path in named {
            let pairs = [("ROCKET_PROFILE", "debug"), ("PERMISSIONS_CLAIMS", path)];
            assert_eq!(paths(&Settings::from_pairs(pairs).unwrap())[0], path);
        }
    }

    #[test]
    fn names_unknown_permissions_of_the_mapping() {
        let problems = from_toml(
            "rocket_profile = \"debug\"\n[permissions]\n\"/admins\" = [\"read:admin-mesages\"]\n\
             staff = 7",
        )
        .unwrap_err();
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("permissions.\"/admins\""), "{texts:?}");
        assert!(texts[0].contains("not \"read:admin-mesages\""), "{texts:?}");
        assert!(texts[1].contains("permissions.\"staff\""), "{texts:?}");
    }

    #[test]
    fn takes_mapping_from_the_file_only() {
        let pairs = [("ROCKET_PROFILE", "debug"), ("PERMISSIONS", "/admins")];
        assert!(Settings::from_pairs(pairs).unwrap().permissions.mapping.is_empty());
        assert!(from_toml("rocket_profile = \"debug\"\npermissions = \"/admins\"").is_err());
    }

    #[test]
    fn reads_entry_rules() {
        let debug = ("ROCKET_PROFILE", "debug");
        let settings = Settings::from_pairs([
            debug,
            ("ALLOWED_EMAIL_DOMAINS", "Example.com, example.org"),
            ("REQUIRED_CLAIMS", "groups=Site Admins, https://example.com/member=true"),
            ("REQUIRE_VERIFIED_EMAIL", "true"),
        ])
        .unwrap();
        let rules = settings.entry_rules;
        let domains = ["example.com", "example.org"].map(|name| EmailDomain::parse(name).unwrap());
        assert_eq!(rules.email_domains, domains);
        let required = rules.required_claims.iter().map(|it| (it.path.as_str(), &*it.value));
        let expected = [("groups", "Site Admins"), ("https://example.com/member", "true")];
        assert_eq!(required.collect::<Vec<_>>(), expected);
        assert!(rules.require_verified_email);
        for (key, value) in [
            ("ALLOWED_EMAIL_DOMAINS", "@example.com"),
            ("ALLOWED_EMAIL_DOMAINS", "*.example.com"),
            ("ALLOWED_EMAIL_DOMAINS", "b\u{fc}cher.example"),
            ("ALLOWED_EMAIL_DOMAINS", ","),
            ("REQUIRED_CLAIMS", "groups"),
            ("REQUIRED_CLAIMS", "groups="),
            ("REQUIRED_CLAIMS", "=staff"),
            ("REQUIRE_VERIFIED_EMAIL", "yes"),
        ] {
            let problems = Settings::from_pairs([debug, (key, value)]).unwrap_err();
            assert_eq!(problems.0[0].key, key, "{value}");
        }
    }
}
