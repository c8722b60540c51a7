//! Who may log in.

use serde_json::{Map, Value};

use super::{ClaimPath, claim_path::texts};

/// A domain of e-mail addresses, in lower case and ASCII. Sub-domains are other domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailDomain(String);

impl EmailDomain {
    /// The domain, in any case; an internationalized one in its ASCII form (`xn--…`). `None` unless
    /// it is a host name of at least two labels (RFC 1035, section 2.3.1).
    pub fn parse(text: &str) -> Option<Self> {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_name = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label);
        is_name.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The domain of an address. `None` for an address that can be read in more than one way: with
    /// quotes, comments, white space, several `@`, a domain that is not ASCII, or a dot at its end.
    fn of_address(address: &str) -> Option<Self> {
        let (local, domain) = address.split_once('@')?;
        // RFC 5322, section 3.2.3: the characters that an unquoted local part must not contain.
        let is_plain =
            |c: char| !(c.is_whitespace() || c.is_control() || r#"()<>[]:;@\,""#.contains(c));
        (!local.is_empty() && local.chars().all(is_plain)).then(|| Self::parse(domain)).flatten()
    }
}

/// A claim that must have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredClaim {
    /// Where it is.
    pub path: ClaimPath,
    /// The value: the claim itself, as text, number or boolean, or one of its members.
    pub value: String,
}

/// The rules; by default every user may log in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryRules {
    /// The domains of the e-mail addresses; any where it is empty. Where it is not, the provider must
    /// have verified the address: anybody can state another one.
    pub email_domains: Vec<EmailDomain>,
    /// The claims that must all have their values.
    pub required_claims: Vec<RequiredClaim>,
    /// Whether the provider must have verified the e-mail address.
    pub require_verified_email: bool,
}

/// Why a user may not log in. The text holds nothing of the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryRefusal {
    /// The provider states no e-mail address.
    #[error("the provider states no e-mail address")]
    NoEmail,
    /// The provider does not say that it verified the e-mail address.
    #[error("the e-mail address is not verified")]
    UnverifiedEmail,
    /// The e-mail address is of another domain, or can be read in more than one way.
    #[error("the e-mail address is of no domain of ALLOWED_EMAIL_DOMAINS")]
    EmailDomain,
    /// A required claim has another value, or none.
    #[error("the claim {0} has no value of REQUIRED_CLAIMS")]
    Claim(ClaimPath),
    /// A required claim is only referred to (OpenID Connect Core, section 5.6.2).
    #[error("the claim {0} of REQUIRED_CLAIMS is only referred to (_claim_names, hasgroups)")]
    ReferredClaim(ClaimPath),
}

impl EntryRules {
    /// Whether the user with these verified claims may log in.
    ///
    /// `email_verified` counts as `true` or `"true"` only. A required claim is met by an array that
    /// has the value, a text that is or, separated by spaces, has it, or a number or boolean that is
    /// written so.
    ///
    /// # Errors
    /// The [`EntryRefusal`] by the first rule that is not met.
    pub fn check(&self, claims: &Map<String, Value>) -> Result<(), EntryRefusal> {
        let restricts_domains = !self.email_domains.is_empty();
        if restricts_domains || self.require_verified_email {
            let email = claims.get("email").and_then(Value::as_str).unwrap_or_default();
            if email.is_empty() {
                return Err(EntryRefusal::NoEmail);
            }
            if restricts_domains
                && !EmailDomain::of_address(email)
                    .is_some_and(|it| self.email_domains.contains(&it))
            {
                return Err(EntryRefusal::EmailDomain);
            }
            if !is_true(claims.get("email_verified")) {
                return Err(EntryRefusal::UnverifiedEmail);
            }
        }
        for RequiredClaim { path, value } in &self.required_claims {
            if path.find(claims).is_some_and(|claim| has_value(claim, value)) {
                continue;
            }
            let path = path.clone();
            let referred = claims.get("_claim_names").and_then(Value::as_object);
            let is_referred = referred
                .is_some_and(|all| all.keys().any(|name| path.is_within(name)))
                || path.is_within("groups") && is_true(claims.get("hasgroups"));
            return Err(match is_referred {
                true => EntryRefusal::ReferredClaim(path),
                false => EntryRefusal::Claim(path),
            });
        }
        Ok(())
    }
}

fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

fn has_value(claim: &Value, value: &str) -> bool {
    match claim {
        Value::Bool(flag) => flag.to_string() == value,
        Value::Number(number) => number.to_string() == value,
        Value::String(text) if text == value => true,
        claim => texts(claim).is_some_and(|all| all.contains(&value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(rules: &EntryRules, claims: &Value) -> Result<(), EntryRefusal> {
        rules.check(claims.as_object().unwrap())
    }

    fn domains(names: &[&str]) -> EntryRules {
        let email_domains = names.iter().filter_map(|name| EmailDomain::parse(name)).collect();
        EntryRules { email_domains, ..EntryRules::default() }
    }

    fn requiring(path: &str, value: &str) -> EntryRules {
        let path = ClaimPath::parse(path).unwrap();
        let required_claims = vec![RequiredClaim { path, value: value.into() }];
        EntryRules { required_claims, ..EntryRules::default() }
    }

    #[test]
    fn lets_everybody_in_by_default() {
        assert_eq!(check(&EntryRules::default(), &json!({})), Ok(()));
    }

    #[test]
    fn accepts_plain_addresses_of_the_domains_only() {
        let rules = domains(&["example.com", "XN--Bcher-Kva.example"]);
        for address in [
            "ann@example.com",
            "Ann.O'Neil+x@EXAMPLE.com",
            "bücher@example.com",
            "ann@xn--bcher-kva.example",
        ] {
            let claims = json!({ "email": address, "email_verified": true });
            assert_eq!(check(&rules, &claims), Ok(()), "{address}");
        }
        for address in [
            "ann@evil.example@example.com",
            "ann@example.com@evil.example",
            "\"ann@evil.example\"@example.com",
            "\"ann\"@example.com",
            "ann@evil.example(@example.com",
            "ann(comment)@example.com",
            "ann@example.com(comment)",
            "Ann <ann@example.com>",
            "<ann@evil.example>ann@example.com",
            "ann @example.com",
            "ann@ example.com",
            "ann@example.com ",
            " ann@example.com",
            "ann\u{a0}@example.com",
            "ann@example.com\n",
            "ann\0@example.com",
            "ann@example.com\0",
            "ann@evil.example,ann@example.com",
            "ann@example.com.",
            "ann@.example.com",
            "ann@example..com",
            "ann@sub.example.com",
            "ann@notexample.com",
            "ann@example.com.evil.example",
            "ann@example.co",
            "ann@ex\u{430}mple.com",
            "ann@example\u{ff0e}com",
            "ann@example\u{3002}com",
            "ann\u{ff20}example.com",
            "ann@evil.example\u{ff20}example.com",
            "ann@\u{212b}xample.com",
            "ann@bücher.example",
            "ann@example.com\u{200b}",
            "ann@[127.0.0.1]",
            "@example.com",
            "ann@",
            "example.com",
        ] {
            let claims = json!({ "email": address, "email_verified": true });
            assert_eq!(check(&rules, &claims), Err(EntryRefusal::EmailDomain), "{address:?}");
        }
    }

    #[test]
    fn requires_address_and_its_verification() {
        let verified = EntryRules { require_verified_email: true, ..EntryRules::default() };
        for rules in [domains(&["example.com"]), verified] {
            for flag in [json!(true), json!("true")] {
                let claims = json!({ "email": "ann@example.com", "email_verified": flag });
                assert_eq!(check(&rules, &claims), Ok(()), "{flag}");
            }
            for flag in [
                json!(false),
                json!("false"),
                json!("TRUE"),
                json!("yes"),
                json!("1"),
                json!(""),
                json!(1),
                json!(["true"]),
                json!(null),
            ] {
                let claims = json!({ "email": "ann@example.com", "email_verified": flag });
                assert_eq!(check(&rules, &claims), Err(EntryRefusal::UnverifiedEmail), "{flag}");
            }
            for email in [json!(null), json!(""), json!(["ann@example.com"])] {
                let claims = json!({ "email": email, "email_verified": true });
                assert_eq!(check(&rules, &claims), Err(EntryRefusal::NoEmail), "{email}");
            }
        }
    }

    #[test]
    fn refuses_domains_that_are_none() {
        for text in [
            "",
            "com",
            "@example.com",
            "*.example.com",
            ".example.com",
            "example.com.",
            "bücher.example",
            "a b.example",
        ] {
            assert_eq!(EmailDomain::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn requires_values_of_claims() {
        for (path, value, claims, expected) in [
            ("groups", "staff", json!({ "groups": ["a", "staff"] }), true),
            ("groups", "staff", json!({ "groups": "a staff" }), true),
            ("groups", "Site Admins", json!({ "groups": "Site Admins" }), true),
            ("groups", "staff", json!({ "groups": ["Staff", "staffing", "/staff"] }), false),
            ("groups", "staff", json!({ "groups": [] }), false),
            ("groups", "staff", json!({ "groups": { "staff": true } }), false),
            ("groups", "staff", json!({}), false),
            (
                "realm_access.roles",
                "staff",
                json!({ "realm_access": { "roles": ["staff"] } }),
                true,
            ),
            ("hd", "example.com", json!({ "hd": "example.com" }), true),
            ("member", "true", json!({ "member": true }), true),
            ("member", "true", json!({ "member": false }), false),
            ("level", "3", json!({ "level": 3 }), true),
        ] {
            assert_eq!(
                check(&requiring(path, value), &claims).is_ok(),
                expected,
                "{path} {claims}"
            );
        }
        let mut both = requiring("a", "1");
        both.required_claims.extend(requiring("b", "2").required_claims);
        assert!(check(&both, &json!({ "a": "1", "b": "2" })).is_ok());
        assert!(check(&both, &json!({ "a": "1" })).is_err());
    }

    #[test]
    fn names_required_claim_that_is_only_referred_to() {
        let path = ClaimPath::parse("groups").unwrap();
        for claims in
            [json!({ "_claim_names": { "groups": "src1" } }), json!({ "hasgroups": true })]
        {
            let refused = check(&requiring("groups", "staff"), &claims);
            assert_eq!(refused, Err(EntryRefusal::ReferredClaim(path.clone())), "{claims}");
        }
    }
}
